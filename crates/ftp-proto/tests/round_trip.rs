//! Value to octets to value, octets to value to octets to value, and nothing that could end a line inside.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failure is the test's failure"
)]

use arbitrary::{Arbitrary, Unstructured};
use ftp_proto::command::Command;
use ftp_proto::frame::{Frame, Framer};
use ftp_proto::grammar::Encode;
use ftp_proto::reply::Reply;
use ftp_proto::reply::reader::ReplyReader;
use proptest::prelude::*;

/// The one line in `octets`, as the framer yields it.
fn one_line(octets: &[u8]) -> Vec<u8> {
    let mut framer = Framer::new(1 << 20);
    framer.push(octets);
    let Some(Frame::Line(line)) = framer.next_frame() else { panic!("no line in {octets:?}") };
    let line = line.to_vec();
    assert_eq!(framer.next_frame(), None, "more than one line in {octets:?}");
    assert_eq!(framer.buffered(), 0);
    line
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_command_survives_the_wire(seed in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(command) = Command::arbitrary(&mut Unstructured::new(&seed)) {
            let octets = command.to_bytes();
            prop_assert_eq!(Command::parse(&one_line(&octets)), Ok(command));
        }
    }

    #[test]
    fn a_parsed_line_has_one_encoding(line in "[A-Za-z]{3,7}( [ -~]{0,40})?") {
        if let Ok(command) = Command::parse(line.as_bytes()) {
            let octets = command.to_bytes();
            let again = Command::parse(&one_line(&octets)).unwrap();
            prop_assert_eq!(again.to_bytes(), octets);
            prop_assert_eq!(again, command);
        }
    }

    #[test]
    fn a_reply_survives_the_wire(seed in prop::collection::vec(any::<u8>(), 0..400), cut in 1usize..40) {
        if let Ok(reply) = Reply::arbitrary(&mut Unstructured::new(&seed)) {
            let octets = reply.to_bytes();
            let mut reader = ReplyReader::new();
            let mut read = None;
            for piece in octets.chunks(cut) {
                reader.push(piece);
                if let Some(reply) = reader.next_reply().unwrap() {
                    prop_assert!(read.is_none(), "one reply gave two");
                    read = Some(reply);
                }
            }
            prop_assert_eq!(read, Some(reply));
        }
    }

    #[test]
    fn any_octets_are_a_command_or_an_error(line in prop::collection::vec(any::<u8>(), 0..200)) {
        let _either = Command::parse(&line);
    }

    #[test]
    fn lines_do_not_depend_on_the_cut(octets in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(0xFF)], 0..300), cut in 1usize..50) {
        let lines = |cut: usize| {
            let mut framer = Framer::new(64);
            let mut seen = Vec::new();
            for piece in octets.chunks(cut) {
                framer.push(piece);
                while let Some(frame) = framer.next_frame() {
                    seen.push(format!("{frame:?}"));
                }
            }
            seen
        };
        prop_assert_eq!(lines(cut), lines(octets.len().max(1)));
    }
}
