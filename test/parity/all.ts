// Every module that registers parity cases.

import "./metrics.js";
import "./schedules.js";
import "./ops-elementwise.js";
import "./ops-rows.js";
import "./ops-matrix.js";
import "./optim.js";
import "./heads.js";
import "./unet.js";
import "./vqgan.js";
import "./iresnet.js";
import "./sampler.js";
import "./train-small.js";
import "./lpips.js";
import "./inception.js";
import "./gan.js";
