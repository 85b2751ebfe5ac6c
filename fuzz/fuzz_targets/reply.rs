//! Any octets are replies or an error; a reply survives the wire; typed contents never panic.
#![no_main]

use ftp_proto::grammar::Encode;
use ftp_proto::reply::payload;
use ftp_proto::reply::reader::ReplyReader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut reader = ReplyReader::new();
    reader.push(data);
    while let Ok(Some(reply)) = reader.next_reply() {
        let text = reply.text();
        let _typed = (
            payload::read_passive(text),
            payload::read_extended_passive(text),
            payload::read_pathname(text),
            payload::read_size(text),
            payload::read_time(text),
            payload::read_features(&reply),
            payload::HashReply::read(text),
        );
        let mut again = ReplyReader::new();
        again.push(&reply.to_bytes());
        assert_eq!(again.next_reply(), Ok(Some(reply)));
    }
});
