// Where a tile lies: the tiles of an image row by row, images one after the other.
//
// Needs          params.tiles: rows and columns of tiles in an image; params.first: the first tile of this run

struct Tile { image: u32, row: u32, col: u32 }   // row and col count tiles

fn tile_of(index: u32) -> Tile {
  let at = params.first + index;
  return Tile(at / (params.tiles.x * params.tiles.y), at / params.tiles.y % params.tiles.x, at % params.tiles.y);
}
