// The errors a user can meet. Each says what is wrong, shows the evidence and names the way out; the command line prints
// the message alone and ends with the class's exit code (0 is success, 1 any other failure, 130/143 an interruption).

/** A mistake in the calling code that no narrower class names: a freed tensor, a wrong binding. */
export class UifaceError extends Error {
  readonly exitCode: number = 1;
  override get name(): string {
    return this.constructor.name;
  }
}

/** Two shapes, lengths or counts that do not fit together: a mistake in the calling code. */
export class ShapeError extends UifaceError {}

/** A wrong option, setting or combination of them. */
export class UsageError extends UifaceError {
  override readonly exitCode = 2;
}

/** No WebGPU adapter that can do the work. */
export class AdapterError extends UifaceError {
  override readonly exitCode = 3;
}

/** A file that is missing, damaged, hostile, or cannot be written. */
export class FileError extends UifaceError {
  override readonly exitCode = 4;
}

/** Training cannot go on: a loss that is not finite, a lost device. */
export class TrainingStopped extends UifaceError {
  override readonly exitCode = 5;
}
