// Every module that registers parity cases.

import "./metrics.js";
import "./optim.js";
import "./schedules.js";
