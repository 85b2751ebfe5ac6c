//! Any line is a command or an error; a command survives the wire.
#![no_main]

use ftp_proto::command::Command;
use ftp_proto::frame::{Frame, Framer};
use ftp_proto::grammar::Encode;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut framer = Framer::new(8192);
    framer.push(data);
    framer.push(b"\r\n");
    while let Some(frame) = framer.next_frame() {
        let Frame::Line(line) = frame else { continue };
        let Ok(command) = Command::parse(line) else { continue };
        let octets = command.to_bytes();
        assert!(octets.ends_with(b"\r\n"));
        let mut again = Framer::new(1 << 16);
        again.push(&octets);
        let Some(Frame::Line(line)) = again.next_frame() else { panic!("{command:?} is no line") };
        assert_eq!(Command::parse(line), Ok(command));
        assert_eq!(again.next_frame(), None);
    }
});
