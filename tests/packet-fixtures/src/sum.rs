// SPDX-License-Identifier: GPL-2.0-only
//! Checksums (RFC 1071, RFC 9260 appendix A).

/// The one's complement sum of 16-bit words. A last odd byte is the upper half of a word.
pub fn sum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0u64;
    for part in parts {
        for pair in part.chunks(2) {
            let low = pair.get(1).copied().unwrap_or(0);
            sum += u64::from(u16::from_be_bytes([pair[0], low]));
        }
    }
    fold(sum)
}

pub fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// One's complement addition.
pub fn add(a: u16, b: u16) -> u16 {
    fold(u64::from(a) + u64::from(b))
}

/// True if both are the same number in one's complement, which has two zeros.
pub fn same(a: u16, b: u16) -> bool {
    a == b || (a == 0 || a == 0xffff) && (b == 0 || b == 0xffff)
}

/// The sum of a pseudo-header of either family.
pub fn pseudo(addresses: &[u8], protocol: u8, length: usize) -> u16 {
    let length = (length as u32).to_be_bytes();
    sum(&[addresses, &length, &[0, protocol]])
}

/// The checksum of SCTP, in the order in which it is sent.
pub fn crc32c(bytes: &[u8]) -> [u8; 4] {
    let mut crc = !0u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
        }
    }
    (!crc).to_le_bytes()
}

#[test]
fn sums_are_those_of_the_standards() {
    // RFC 1071, section 3.
    assert_eq!(sum(&[&[0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7]]), 0xddf2);
    // RFC 3720, B.4: 32 bytes of zeros.
    assert_eq!(crc32c(&[0; 32]), [0xaa, 0x36, 0x91, 0x8a]);
    assert!(same(0, 0xffff) && !same(0, 1));
}
