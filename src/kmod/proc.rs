// SPDX-License-Identifier: GPL-2.0-only
//! The module's files in `/proc/net/ip_vs_bpf`, in the caller's network namespace. The
//! module applies each write as one transaction.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::{Path, PathBuf};

use nix::libc;

use super::Error;
use super::map_holder::map_holder;
use super::text;
pub use super::text::{
    FullNatChange, FullNatLine, LocalIpChange, LocalIpLine, RegisteredMaps, RuleLine,
};
use crate::model::{Family, FullNat, PortSecret, Rule, Timeout};

/// `/proc/net` is that of the main thread, which can be in another namespace after
/// `setns(2)`.
const FOLDER: &str = "/proc/thread-self/net/ip_vs_bpf";
/// The prefix of the line that says why the last write failed.
const ERROR_PREFIX: &str = "# error: ";
/// The module takes at most 256 KiB in one write.
const WRITE_MAX: usize = 256 * 1024;

fn path(name: &str) -> PathBuf {
    Path::new(FOLDER).join(name)
}

pub(super) fn file_error(path: PathBuf) -> impl FnOnce(io::Error) -> Error {
    // EIO: a file that was open when its module was unloaded (fs/proc/inode.c).
    move |source| match source.raw_os_error() {
        Some(libc::ENOENT | libc::EIO) => Error::Unloaded { path },
        _ => Error::File { path, source },
    }
}

/// The text of a file. An interface of a rule can have a name that is not UTF-8.
fn text_of(path: &Path) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&fs::read(path)?).into_owned())
}

/// The lines of a file without the comments. Empty if the module is not loaded.
fn lines(name: &str) -> Result<Vec<String>, Error> {
    let path = path(name);
    match text_of(&path) {
        Ok(text) => Ok(text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(str::to_owned)
            .collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(file_error(path)(error)),
    }
}

fn parsed<T>(name: &str, parse: fn(&str) -> Option<T>) -> Result<Vec<T>, Error> {
    lines(name)?
        .into_iter()
        .map(|line| {
            parse(&line).ok_or_else(|| Error::Unreadable {
                path: path(name),
                line,
            })
        })
        .collect()
}

fn write(name: &str, text: &str) -> Result<(), Error> {
    let path = path(name);
    attempt(&path, text)?.map_err(|error| refused(path, text.len(), error))
}

/// Writes the text and returns the module's answer.
fn attempt(path: &Path, text: &str) -> Result<io::Result<()>, Error> {
    let mut file: File = OpenOptions::new()
        .write(true)
        .open(path)
        .map_err(file_error(path.to_owned()))?;
    // This makes one write(2): File does not buffer. write_all() would continue after a
    // short write, but the module never makes one.
    Ok(file.write_all(text.as_bytes()))
}

/// The error of a write of this many bytes. If the module did not read the text, the first
/// line of the file is about an earlier write (`kmod/control/proc.c: write()`).
fn refused(path: PathBuf, length: usize, error: io::Error) -> Error {
    let is_unread = match error.raw_os_error() {
        Some(libc::EPERM | libc::EFAULT) => true,
        Some(libc::E2BIG) => length > WRITE_MAX,
        _ => false,
    };
    match reason(&path) {
        Some(reason) if !is_unread => Error::Refused { reason },
        _ => file_error(path)(error),
    }
}

fn reason(path: &Path) -> Option<String> {
    let text = text_of(path).ok()?;
    let reason = text.lines().next()?.strip_prefix(ERROR_PREFIX)?;
    Some(reason.to_owned())
}

/// Writes lines, as many in one write as the module takes.
fn write_lines(name: &str, lines: impl Iterator<Item = String>) -> Result<(), Error> {
    let mut text = String::new();
    for line in lines {
        if text.len() + line.len() > WRITE_MAX {
            write(name, &text)?;
            text.clear();
        }
        text.push_str(&line);
    }
    if text.is_empty() {
        return Ok(());
    }
    write(name, &text)
}

/// Versions before 0.2 have no file of sessions.
pub fn is_of_older_module() -> bool {
    path("map").exists() && !path("sessions").exists()
}

/// `None`: no maps are registered, or the module is not loaded.
pub fn registered_maps() -> Result<Option<RegisteredMaps>, Error> {
    text::maps(&lines("map")?).map_err(|line| Error::Unreadable {
        path: path("map"),
        line,
    })
}

/// The line that hands over the maps, by their descriptors or those of programs that hold them.
fn map_line<'a>(maps: impl IntoIterator<Item = (&'a str, BorrowedFd<'a>)>) -> String {
    let words: Vec<String> = maps
        .into_iter()
        .map(|(name, descriptor)| format!("{name} {}", descriptor.as_raw_fd()))
        .collect();
    words.join(" ") + "\n"
}

/// Registers maps by name. They replace those that are registered.
pub fn register_maps(maps: &[(&str, BorrowedFd<'_>)]) -> Result<(), Error> {
    let path = path("map");
    match attempt(&path, &map_line(maps.iter().copied()))? {
        Ok(()) => Ok(()),
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {
            let holders = maps
                .iter()
                .map(|(name, map)| Ok((*name, map_holder(*map)?)))
                .collect::<io::Result<Vec<_>>>()
                .map_err(Error::Carrier)?;
            let holders = holders.iter().map(|(name, holder)| (*name, holder.as_fd()));
            write("map", &map_line(holders))
        }
        Err(error) => Err(refused(path, 0, error)),
    }
}

pub fn unregister_maps() -> Result<(), Error> {
    write("map", "none\n")
}

/// The local IPs in the order of their addresses. The module lists them unordered.
pub fn local_ips() -> Result<Vec<LocalIpLine>, Error> {
    let mut local_ips = parsed("local_ips", text::local_ip)?;
    local_ips.sort_unstable_by_key(|line| line.local_ip.address);
    Ok(local_ips)
}

pub fn change_local_ips(changes: &[LocalIpChange]) -> Result<(), Error> {
    write_lines("local_ips", changes.iter().map(LocalIpChange::line))
}

pub fn full_nat() -> Result<Vec<FullNatLine>, Error> {
    parsed("services", text::full_nat)
}

pub fn change_full_nat(changes: &[FullNatChange]) -> Result<(), Error> {
    write_lines("services", changes.iter().map(FullNatChange::line))
}

/// Moves the addresses and services of one family from the pool `old` to the pool `new`.
/// The new pool must not have an address of this family yet.
pub fn hand_over(old: &str, new: &str, family: Family) -> Result<(), Error> {
    let family = family.to_string().to_lowercase();
    write("services", &format!("= {old} {new} {family}\n"))
}

/// The rules with the full NAT of each.
pub fn rules() -> Result<BTreeMap<Rule, FullNat>, Error> {
    let lines = rule_lines()?.into_iter();
    Ok(lines.map(|line| (line.rule, line.full_nat)).collect())
}

/// The rules with the number of services that each has made.
pub fn rule_lines() -> Result<Vec<RuleLine>, Error> {
    parsed("rules", text::rule)
}

/// True if the module takes all these rules: it replaces all of them in one write.
pub fn rules_fit(rules: &BTreeMap<Rule, FullNat>) -> bool {
    text::rules(rules).len() <= WRITE_MAX
}

/// Replaces all rules. The sessions stay.
pub fn set_rules(rules: &BTreeMap<Rule, FullNat>) -> Result<(), Error> {
    write("rules", &text::rules(rules))
}

/// Ends the sessions of services that are no longer configured. A connection that is in
/// use at this moment may need another call.
pub fn flush_sessions() -> Result<(), Error> {
    write("services", "flush\n")
}

/// True if the module gives leases. False if it is not loaded.
pub fn fast_path() -> Result<bool, Error> {
    let lines = lines("fast_path")?;
    match lines.first().map(String::as_str) {
        Some("on") => Ok(true),
        Some("off") | None => Ok(false),
        Some(line) => Err(Error::Unreadable {
            path: path("fast_path"),
            line: line.to_owned(),
        }),
    }
}

/// Turns the fast path on or off. Existing leases end at once.
pub fn set_fast_path(on: bool) -> Result<(), Error> {
    write("fast_path", if on { "on\n" } else { "off\n" })
}

/// True if leases are for the program at XDP, too. False if the module is not loaded.
pub fn xdp() -> Result<bool, Error> {
    let lines = lines("xdp")?;
    Ok(lines.first().is_some_and(|line| line == "on"))
}

/// Lets leases be for the program at XDP, or not. Existing leases end. When this returns,
/// that program sends nothing by an older lease.
pub fn set_xdp(on: bool) -> Result<(), Error> {
    write("xdp", if on { "on\n" } else { "off\n" })
}

/// The key by which local ports are chosen. `None`: it is random, or the module is not
/// loaded.
pub fn port_secret() -> Result<Option<PortSecret>, Error> {
    let secrets = parsed("port_secret", text::port_secret)?;
    Ok(secrets.into_iter().next().flatten())
}

pub fn set_port_secret(secret: Option<PortSecret>) -> Result<(), Error> {
    write("port_secret", &text::port_secret_line(secret))
}

/// Ends all leases. Flows that are still valid get new ones at once. Errors are ignored:
/// without the module there are no leases, and the module itself looks for changes once a
/// second.
pub fn revoke_leases() {
    let _ = attempt(&path("fast_path"), "revoke\n");
}

/// The lifetime of an unanswered session, in seconds. Empty if the module is
/// not loaded.
pub fn unanswered() -> Result<Vec<(Timeout, u32)>, Error> {
    parsed("unanswered", text::unanswered)
}

pub fn set_unanswered(timeout: Timeout, seconds: u32) -> Result<(), Error> {
    write("unanswered", &text::unanswered_line(timeout, seconds))
}

/// The name and value of every counter, in the module's order.
pub fn counters() -> Result<Vec<(String, u64)>, Error> {
    parsed("stats", |line| {
        let (name, value) = line.split_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_an_earlier_write_is_not_that_of_one_that_was_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rules");
        fs::write(&path, "# error: line 1: of an earlier write\n").unwrap();
        let said = |errno, length| {
            let error = io::Error::from_raw_os_error(errno);
            refused(path.clone(), length, error).to_string()
        };
        assert!(said(libc::EINVAL, 9).contains("earlier write"));
        assert!(said(libc::E2BIG, 9).contains("earlier write"));
        for (errno, length) in [(libc::EPERM, 9), (libc::E2BIG, WRITE_MAX + 1)] {
            let said = said(errno, length);
            assert!(!said.contains("earlier write"), "{said}");
            assert!(said.contains("os error"), "{said}");
        }
    }
}
