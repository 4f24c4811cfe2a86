// SPDX-License-Identifier: GPL-2.0-only
//! The generator and sink outside of the machine, at a serial port: lab/vm/generator.py
//! describes what is said there.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;

use super::window::pass;

pub struct Generator(File);

/// A frame that came out, and how often.
pub struct Arrived {
    pub count: u32,
    pub wire: u8,
    pub frame: Vec<u8>,
}

impl Generator {
    pub fn open() -> Self {
        let devices = fs::read_dir("/dev").expect("/dev");
        let names = devices.filter_map(|device| device.ok()?.file_name().into_string().ok());
        let name = names
            .into_iter()
            .find(|name| name.starts_with("vport") && name.ends_with("p5"))
            .expect("the port of lab/vm/run.sh --generator");
        let port = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(format!("/dev/{name}"));
        Generator(port.expect("root may open it"))
    }

    /// Gives it the frames to send to the card of this wire.
    pub fn load(&self, wire: u8, frames: &[Vec<u8>]) {
        let mut records = Vec::new();
        for frame in frames {
            records.extend((frame.len() as u32).to_be_bytes());
            records.extend(frame);
        }
        self.write(&[b"l", &[wire][..], &(records.len() as u32).to_be_bytes()].concat());
        self.write(&records);
    }

    /// Has it send them in bursts, the next one when the last one has come out, unless
    /// nothing will.
    pub fn send(&self, burst: usize, answered: bool) {
        let [high, low] = (burst as u16).to_be_bytes();
        self.write(&[b's', high, low, answered.into()]);
    }

    /// The number of frames that came out, when all are sent.
    pub fn answer(&self) -> Option<u32> {
        let mut number = [0; 4];
        match (&self.0).read(&mut number) {
            Ok(4) => Some(u32::from_be_bytes(number)),
            Ok(read) => panic!("{read} bytes of an answer"),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("the port of the generator: {error}"),
        }
    }

    /// The frames that came out since the last call.
    pub fn arrived(&self) -> Vec<Arrived> {
        self.write(b"t");
        let mut different = [0; 4];
        self.read(&mut different);
        let mut arrived = Vec::new();
        for _ in 0..u32::from_be_bytes(different) {
            let mut header = [0; 9];
            self.read(&mut header);
            let [c0, c1, c2, c3, wire, length @ ..] = header;
            let mut frame = vec![0; u32::from_be_bytes(length) as usize];
            self.read(&mut frame);
            let count = u32::from_be_bytes([c0, c1, c2, c3]);
            arrived.push(Arrived { count, wire, frame });
        }
        arrived
    }

    /// Does not sleep, because the clock of an idle machine would jump ahead.
    fn read(&self, mut rest: &mut [u8]) {
        while !rest.is_empty() {
            match (&self.0).read(rest) {
                Ok(read) => rest = &mut rest[read..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => pass(),
                Err(error) => panic!("the port of the generator: {error}"),
            }
        }
    }

    fn write(&self, mut rest: &[u8]) {
        while !rest.is_empty() {
            match (&self.0).write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => pass(),
                Err(error) => panic!("the port of the generator: {error}"),
            }
        }
    }
}
