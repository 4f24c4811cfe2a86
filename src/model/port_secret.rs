// SPDX-License-Identifier: GPL-2.0-only
//! The key by which directors choose local ports (`kmod/session/local_ports.c`).

use std::fmt;

/// 128 bits, which two directors share so that both choose the same port for a
/// connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PortSecret([u8; 16]);

impl PortSecret {
    /// Reads 32 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = is_hex.then(|| u128::from_str_radix(text, 16).ok())??;
        Some(PortSecret(number.to_be_bytes()))
    }

    /// 32 hexadecimal digits. Only files and the kernel may get them.
    pub fn reveal(self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.0))
    }
}

/// Without the secret: messages and logs are not the place for it.
impl fmt::Debug for PortSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PortSecret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_32_digits_and_nothing_prints_it() {
        let text = "0123456789abcdef00000000000000ff";
        let secret = PortSecret::from_hex(text).unwrap();
        assert_eq!(secret.reveal(), text);
        assert_eq!(PortSecret::from_hex(&text.to_uppercase()), Some(secret));
        assert_eq!(format!("{secret:?}"), "PortSecret");
        for wrong in [
            "",
            "0123",
            "+123456789abcdef00000000000000ff",
            "x".repeat(32).as_str(),
        ] {
            assert_eq!(PortSecret::from_hex(wrong), None, "{wrong}");
        }
    }
}
