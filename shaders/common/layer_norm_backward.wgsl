// row_gradient   dx and dw of one row of layer_norm: two sums over it, then a walk that writes
//
// Needs          x, w, dy, dx, dw: array<T>; params.cols, params.count; row_tree.wgsl or row_thread.wgsl

fn row_gradient(first: u32, lane: u32, mean: f32, rstd: f32) {
  let begin = first + column_of(lane);
  let end = first + params.cols;
  var s = T();
  var product = T();
  for (var i = begin; i < end; i += stride()) {
    let g = dy[i] * w[i - first];
    s += g;
    product += g * (x[i] - mean) * rstd;
  }
  let p = row_sum(s, lane) / params.count;
  let q = row_sum(product, lane) / params.count;

  for (var i = begin; i < end; i += stride()) {
    let xhat = (x[i] - mean) * rstd;
    dx[i] = rstd * (dy[i] * w[i - first] - p - xhat * q);
    dw[i] = dy[i] * xhat;
  }
}
