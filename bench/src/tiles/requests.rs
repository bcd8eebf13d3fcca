//! Which tiles are asked for, in which order: people who look at maps.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::str::FromStr;

use anyhow::Context;

use super::random::{Random, Zipf};

/// The deepest there is: a world of 2^18 tiles across.
const DEEPEST: u8 = 18;
/// Where people look: few places often, many seldom.
const PLACES: u32 = 16;
/// People at a time; their requests take turns.
const SESSIONS: usize = 16;
/// Tiles across and down that a screen shows.
const SCREEN: (u32, u32) = (4, 3);
/// Moves of one person: so many at least, and below so many more.
const MOVES: (u32, u32) = (0, 6);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tile {
    pub(crate) zoom: u8,
    pub(crate) x: u32,
    pub(crate) y: u32,
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.zoom, self.x, self.y)
    }
}

impl FromStr for Tile {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let tile = || {
            let mut parts = text.split('/');
            let (zoom, x, y) = (parts.next()?, parts.next()?, parts.next()?);
            let tile = Self { zoom: zoom.parse().ok()?, x: x.parse().ok()?, y: y.parse().ok()? };
            let across = 1_u32.checked_shl(tile.zoom.into())?;
            (parts.next().is_none() && tile.zoom <= DEEPEST && tile.x < across && tile.y < across)
                .then_some(tile)
        };
        tile().with_context(|| format!("'{text}' is no tile (zoom/x/y, zoom at most {DEEPEST})"))
    }
}

/// A file of requests, a tile a line.
pub(crate) fn parse(text: &str) -> anyhow::Result<Vec<Tile>> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::parse).collect()
}

/// The first `count` requests of a world that `seed` makes.
pub(crate) fn generate(seed: u64, count: usize) -> Vec<Tile> {
    let mut random = Random::new(seed);
    let across = 1 << DEEPEST;
    let places: Vec<(u32, u32)> = (0..PLACES).map(|_| (random.below(across), random.below(across))).collect();
    let zipf = Zipf::new(PLACES, 1.0);
    let begin = |random: &mut Random| Session::new(places[zipf.draw(random)], random);
    let mut sessions: Vec<Session> = (0..SESSIONS).map(|_| begin(&mut random)).collect();
    let mut requests = Vec::with_capacity(count);
    for turn in 0.. {
        if requests.len() == count {
            break;
        }
        let session = &mut sessions[turn % SESSIONS];
        match session.next(&mut random) {
            Some(tile) => requests.push(tile),
            None => *session = begin(&mut random),
        }
    }
    requests
}

/// Somebody who looks at a place, moves the map about, goes nearer and farther. What was on the screen once is in the
/// browser's own cache and not asked for again.
#[derive(Debug)]
struct Session {
    corner: Tile,
    moves: u32,
    asked: HashSet<Tile>,
    waiting: VecDeque<Tile>,
}

impl Session {
    fn new((x, y): (u32, u32), random: &mut Random) -> Self {
        let zoom = 12 + random.below(2) as u8;
        let shift = DEEPEST - zoom;
        let corner = Tile { zoom, x: x >> shift, y: y >> shift };
        let moves = MOVES.0 + random.below(MOVES.1);
        let mut session = Self { corner, moves, asked: HashSet::new(), waiting: VecDeque::new() };
        session.show();
        session
    }

    fn next(&mut self, random: &mut Random) -> Option<Tile> {
        while self.waiting.is_empty() {
            self.moves = self.moves.checked_sub(1)?;
            self.corner = moved(self.corner, random);
            self.show();
        }
        self.waiting.pop_front()
    }

    fn show(&mut self) {
        let Tile { zoom, x, y } = self.corner;
        let across = 1 << zoom;
        for (right, down) in (0..SCREEN.1).flat_map(|down| (0..SCREEN.0).map(move |right| (right, down))) {
            let tile = Tile { zoom, x: (x + right) % across, y: (y + down) % across };
            if self.asked.insert(tile) {
                self.waiting.push_back(tile);
            }
        }
    }
}

/// One tile aside in four moves of six, else nearer or farther.
fn moved(corner: Tile, random: &mut Random) -> Tile {
    let Tile { zoom, x, y } = corner;
    let last = (1 << zoom) - 1;
    match random.below(6) {
        0 => Tile { x: (x + 1) & last, ..corner },
        1 => Tile { x: x.wrapping_sub(1) & last, ..corner },
        2 => Tile { y: (y + 1) & last, ..corner },
        3 => Tile { y: y.wrapping_sub(1) & last, ..corner },
        4 if zoom < DEEPEST => Tile { zoom: zoom + 1, x: x * 2 + SCREEN.0 / 2, y: y * 2 + SCREEN.1 / 2 },
        _ if zoom > 1 => Tile { zoom: zoom - 1, x: x / 2, y: y / 2 },
        _ => corner,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_the_same_requests_and_another_makes_others() {
        assert_eq!(generate(1, 500), generate(1, 500));
        assert_ne!(generate(1, 500), generate(2, 500));
        assert_eq!(generate(1, 500)[..100], generate(1, 100)[..], "more of the same begins alike");
    }

    #[test]
    fn requests_are_tiles_of_the_world_and_some_come_again() {
        let requests = generate(9, 3000);
        let text: String = requests.iter().map(|tile| format!("{tile}\n")).collect();
        assert_eq!(parse(&text).unwrap(), requests);
        let distinct = requests.iter().collect::<HashSet<_>>().len();
        assert!((500..1200).contains(&distinct), "{distinct} tiles");
    }

    #[test]
    fn nobody_asks_twice_for_what_they_have() {
        let mut random = Random::new(4);
        let mut session = Session::new((1000, 2000), &mut random);
        let mut seen = HashSet::new();
        while let Some(tile) = session.next(&mut random) {
            assert!(seen.insert(tile), "{tile} again");
        }
        assert!(seen.len() >= 12);
    }

    #[test]
    fn what_is_no_tile_is_refused_by_name() {
        for text in ["", "1/2", "1/2/0", "19/0/0", "3/1/2/0", "a/0/0", "64/0/0"] {
            let error = text.parse::<Tile>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("'{text}' is no tile")), "{error}");
        }
        assert!(parse("0/0/0\n\n18/262143/0\n").is_ok());
    }
}
