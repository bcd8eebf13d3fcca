use proptest::prelude::*;

use super::*;

fn encoded(arguments: &[Vec<u8>]) -> Vec<u8> {
    let mut request = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        request.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        request.extend_from_slice(argument);
        request.extend_from_slice(b"\r\n");
    }
    request
}

fn read(bytes: &[u8]) -> Result<(Progress, Vec<Vec<u8>>), Malformed> {
    let mut request = Request::default();
    let progress = request.read(bytes, &Bounds::default())?;
    Ok((progress, request.arguments(bytes).map(<[u8]>::to_vec).collect()))
}

proptest! {
    /// However it comes in pieces, and whatever follows it.
    #[test]
    fn a_request_is_read_as_it_was_written(
        arguments in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..12),
        after in prop::collection::vec(any::<u8>(), 0..20),
        pieces in prop::collection::vec(1usize..17, 1..100),
    ) {
        let whole = encoded(&arguments);
        let mut buffer = whole.clone();
        buffer.extend_from_slice(&after);
        let mut request = Request::default();
        let mut there = 0;
        for piece in pieces.iter().cycle() {
            let progress = request.read(&buffer[..there], &Bounds::default()).unwrap();
            if there >= whole.len() {
                prop_assert_eq!(progress, Progress::Complete(whole.len()));
                break;
            }
            prop_assert_eq!(progress, Progress::Incomplete);
            there = (there + piece).min(buffer.len());
        }
        for (index, argument) in arguments.iter().enumerate() {
            let range = request.range(index);
            let header = format!("${}\r\n", argument.len());
            prop_assert_eq!(&buffer[header_start(&range)..range.start], header.as_bytes());
        }
        prop_assert_eq!(request.body().end, whole.len());
        prop_assert_eq!(request.arguments(&buffer).map(<[u8]>::to_vec).collect::<Vec<_>>(), arguments);
    }

    /// It ends, and never says that more is there than is.
    #[test]
    fn anything_may_come(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'*'), Just(b'$'), Just(b'\r'), Just(b'\n'), Just(b'1')], 0..60)) {
        match read(&bytes) {
            Ok((Progress::Complete(end) | Progress::Line(end) | Progress::Nothing(end), _)) => {
                prop_assert!(end > 0 && end <= bytes.len());
            }
            Ok((Progress::Incomplete, _)) | Err(_) => {}
        }
        if let Ok((Progress::Line(end), _)) = read(&bytes) && let Ok(request) = Request::of_line(&bytes[..end]) {
            prop_assert_eq!(read(&request).unwrap().0, Progress::Complete(request.len()));
        }
    }
}

#[test]
fn numbers_are_those_that_redis_writes() {
    for bad in [
        "*01\r\n",
        "*+1\r\n",
        "* 1\r\n",
        "*1 \r\n",
        "*x\r\n",
        "*\r\n",
        "*-2\r\n",
        "*9999999999\r\n",
        "*1\rx",
        "*111111111111111111111111111",
    ] {
        assert_eq!(read(bad.as_bytes()), Err(Malformed::Arguments), "{bad}");
    }
    for bad in ["$03\r\nfoo\r\n", "$-1\r\n", "$+3\r\nfoo\r\n", "$\r\n", "$99999999999\r\n"] {
        assert_eq!(read(format!("*1\r\n{bad}").as_bytes()), Err(Malformed::Argument), "{bad}");
    }
    assert_eq!(read(b"*1\r\n$3\r\nfooXX"), Err(Malformed::End));
    assert_eq!(read(b"*1\r\n:3\r\n"), Err(Malformed::NoArgument(b':')));
    for nothing in ["*0\r\n", "*-1\r\n", "\r\n", "  \n"] {
        assert_eq!(read(nothing.as_bytes()).unwrap().0, Progress::Nothing(nothing.len()), "{nothing:?}");
    }
}

#[test]
fn what_is_too_large_is_refused_before_it_is_there() {
    let bounds = Bounds { arguments: 2, argument: 3, line: 8, request: 22 };
    let read = |text: &str| Request::default().read(text.as_bytes(), &bounds);
    assert_eq!(read("*3\r\n"), Err(Malformed::Arguments));
    assert_eq!(read("*2\r\n$4\r\n"), Err(Malformed::Argument));
    assert_eq!(read("*2\r\n$3\r\nfoo\r\n$3\r\nbar\r\n"), Ok(Progress::Complete(22)));
    assert_eq!(
        Request::default().read(b"*2\r\n$3\r\nfoo\r\n$3\r\n", &Bounds { request: 19, ..bounds }),
        Err(Malformed::Request)
    );
    assert_eq!(read("12345678"), Err(Malformed::Line));
    assert_eq!(read("1234567"), Ok(Progress::Incomplete));
}

#[test]
fn words_on_a_line_are_a_request() {
    let request = Request::of_line(b" set k \"a \\x41\\n\\\"\" 'it\\'s' \r\n").unwrap();
    assert_eq!(read(&request).unwrap().1, [&b"set"[..], b"k", b"a A\n\"", b"it's"]);
    for bad in ["a \"b", "a 'b", "a \"b\"c", "a b\"c\""] {
        assert_eq!(Request::of_line(bad.as_bytes()), Err(Malformed::Quotes), "{bad}");
    }
    assert_eq!(read(b"PING\r\nGET").unwrap().0, Progress::Line(6));
}
