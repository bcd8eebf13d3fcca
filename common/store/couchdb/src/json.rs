//! JSON texts on their way into a database that takes them apart and puts them together again.
//!
//! CouchDB and the JavaScript of its views keep values, not letters: `1e400` is refused, a number of thirty digits comes
//! back rounded, half a surrogate pair becomes something else. What would not come back as the same value is written
//! twice: in a form that everybody can read ([`portable`]), and as its own text in a member beside it.

mod lexer;
mod number;
mod portable;

pub(crate) use lexer::same_value;
pub(crate) use portable::portable;
