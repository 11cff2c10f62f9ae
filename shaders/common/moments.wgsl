// moments        mean of a row, and the sum of squares about it: the mean first, so nothing cancels
//
// Needs          x: array<T>; params.cols, params.count; row_tree.wgsl or row_thread.wgsl

fn row_mean(first: u32, lane: u32) -> f32 {
  var s = T();
  for (var i = first + column_of(lane); i < first + params.cols; i += stride()) { s += x[i]; }
  return row_sum(s, lane) / params.count;
}

fn row_squares(first: u32, lane: u32, mean: f32) -> f32 {
  var squares = T();
  for (var i = first + column_of(lane); i < first + params.cols; i += stride()) {
    let d = x[i] - mean;
    squares += d * d;
  }
  return row_sum(squares, lane);
}
