//! Pictures for tiles: land and water by noise that goes on from tile to tile, as PNG of some kilobytes.

use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::random::mixed;
use super::requests::Tile;

const SIDE: u32 = 256;
/// Pixels between points of the coarse and the fine noise.
const CELLS: [u32; 2] = [64, 8];
/// Signature of PNG.
const SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

/// The tile's picture, the same each time. It bears the tile's name, by which [`shows`] knows it.
pub(crate) fn png(tile: Tile) -> io::Result<Vec<u8>> {
    let mut header = [SIDE.to_be_bytes(), SIDE.to_be_bytes()].concat();
    // Four bits a pixel, colours from a palette, nothing special.
    header.extend([4, 3, 0, 0, 0]);
    let palette: Vec<u8> = (0..16_u8).flat_map(colour).collect();
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(&pixels(tile))?;
    let mut png = SIGNATURE.to_vec();
    for (kind, content) in [
        (b"IHDR", header),
        (b"PLTE", palette),
        (b"tEXt", name(tile)),
        (b"IDAT", encoder.finish()?),
        (b"IEND", Vec::new()),
    ] {
        png.extend(chunk(kind, &content));
    }
    Ok(png)
}

/// Whether these bytes are that tile's picture, by the name in it.
pub(crate) fn shows(bytes: &[u8], tile: Tile) -> bool {
    let name = chunk(b"tEXt", &name(tile));
    bytes.starts_with(&SIGNATURE) && bytes.windows(name.len()).any(|part| part == name)
}

fn name(tile: Tile) -> Vec<u8> {
    format!("Title\0{tile}").into_bytes()
}

fn chunk(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut chunk = u32::try_from(content.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    chunk.extend(kind);
    chunk.extend(content);
    let sum = crc32fast::hash(&chunk[4..]);
    chunk.extend(sum.to_be_bytes());
    chunk
}

/// Water below the middle, then land, then hills.
fn colour(level: u8) -> [u8; 3] {
    match level {
        0..8 => [40 + level * 12, 90 + level * 14, 160 + level * 10],
        8..13 => [110 + (level - 8) * 22, 170 + (level - 8) * 8, 90 + (level - 8) * 8],
        _ => [190 + (level - 13) * 20, 180 + (level - 13) * 25, 150 + (level - 13) * 35],
    }
}

/// Two pixels a byte, each row behind a byte that says that it is as it stands.
fn pixels(tile: Tile) -> Vec<u8> {
    let (left, top) = (tile.x.wrapping_mul(SIDE), tile.y.wrapping_mul(SIDE));
    let level = |x: u32, y: u32| {
        let [coarse, fine] =
            CELLS.map(|cell| noise(tile.zoom, cell, left.wrapping_add(x), top.wrapping_add(y)));
        (coarse * 13 + fine * 3) >> 16
    };
    let row = |y| {
        let pair = move |x| ((level(2 * x, y) << 4) | level(2 * x + 1, y)) as u8;
        std::iter::once(0).chain((0..SIDE / 2).map(pair))
    };
    (0..SIDE).flat_map(row).collect()
}

/// From 0 to 65,535: random at the corners of cells, between them in proportion.
fn noise(zoom: u8, cell: u32, x: u32, y: u32) -> u32 {
    let corner = |x: u32, y: u32| {
        let place = (u64::from(x) << 32) | u64::from(y);
        (mixed(place ^ mixed(u64::from(zoom) << 8 | u64::from(cell))) >> 48) as u32
    };
    let (column, row, right, down) = (x / cell, y / cell, x % cell, y % cell);
    let between = |a: u32, b: u32, part: u32| (a * (cell - part) + b * part) / cell;
    let above = between(corner(column, row), corner(column + 1, row), right);
    let below = between(corner(column, row + 1), corner(column + 1, row + 1), right);
    between(above, below, down)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    const TILE: Tile = Tile { zoom: 12, x: 2200, y: 1343 };

    #[test]
    fn a_tile_is_the_same_each_time_and_has_some_kilobytes() {
        let bytes = png(TILE).unwrap();
        assert_eq!(bytes, png(TILE).unwrap());
        assert!((2_000..40_000).contains(&bytes.len()), "{} bytes", bytes.len());
    }

    #[test]
    fn a_tile_is_told_from_its_neighbours() {
        let other = Tile { x: TILE.x + 1, ..TILE };
        assert_ne!(png(TILE).unwrap(), png(other).unwrap());
        assert!(shows(&png(TILE).unwrap(), TILE) && !shows(&png(TILE).unwrap(), other));
        assert!(!shows(b"", TILE));
    }

    #[test]
    fn chunks_follow_each_other_and_the_picture_has_all_its_rows() {
        let bytes = png(TILE).unwrap();
        let (mut rest, mut kinds, mut data) = (&bytes[8..], Vec::new(), Vec::new());
        while !rest.is_empty() {
            let length = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
            let (kind, content) = (&rest[4..8], &rest[8..8 + length]);
            let sum = u32::from_be_bytes(rest[8 + length..12 + length].try_into().unwrap());
            assert_eq!(sum, crc32fast::hash(&rest[4..8 + length]));
            if kind == b"IDAT" {
                flate2::read::ZlibDecoder::new(content).read_to_end(&mut data).unwrap();
            }
            kinds.push(String::from_utf8(kind.to_vec()).unwrap());
            rest = &rest[12 + length..];
        }
        assert_eq!(kinds, ["IHDR", "PLTE", "tEXt", "IDAT", "IEND"]);
        assert_eq!(data.len(), 256 * 129);
    }
}
