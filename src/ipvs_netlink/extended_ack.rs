// SPDX-License-Identifier: GPL-2.0-only
//! The kernel's message in an error: extended acknowledgements (`NLMSGERR_ATTR_*`,
//! `include/uapi/linux/netlink.h`).

use netlink_packet_core::{NLM_F_ACK_TLVS, NLM_F_CAPPED, NlaBuffer, NlasIterator, parse_u32};

const NLMSGERR_ATTR_MSG: u16 = 1;
const NLMSG_HDRLEN: usize = 16;

/// The message in an `NLMSG_ERROR`. `answer` starts after the error code. It has the
/// header of the request, the rest of the request unless `NLM_F_CAPPED` is set, and then
/// the attributes.
pub fn of_error(flags: u16, answer: &[u8]) -> Option<String> {
    let request = if flags & NLM_F_CAPPED != 0 {
        NLMSG_HDRLEN
    } else {
        let length = parse_u32(answer.get(..4)?).ok()?;
        usize::try_from(length).ok()?.checked_next_multiple_of(4)?
    };
    of_attributes(flags, answer.get(request..)?)
}

/// The message in an `NLMSG_DONE`. `answer` starts after the error code.
pub fn of_done(flags: u16, answer: &[u8]) -> Option<String> {
    of_attributes(flags, answer)
}

fn of_attributes(flags: u16, bytes: &[u8]) -> Option<String> {
    if flags & NLM_F_ACK_TLVS == 0 {
        return None;
    }
    let text = |attribute: NlaBuffer<&[u8]>| {
        let text = String::from_utf8_lossy(attribute.value());
        text.trim_end_matches('\0').to_owned()
    };
    NlasIterator::new(bytes)
        .map_while(Result::ok)
        .find(|attribute| attribute.kind() == NLMSGERR_ATTR_MSG)
        .map(text)
        .filter(|text| !text.is_empty())
}
