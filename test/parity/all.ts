// Every module that registers parity cases.

import "./metrics.js";
import "./schedules.js";
