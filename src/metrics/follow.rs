// SPDX-License-Identifier: GPL-2.0-only
//! The state of `apply --follow`. There are no samples if none is running.

use super::family::Family;
use crate::director::FollowerState;

pub(super) fn families(following: Option<&FollowerState>) -> [Family; 4] {
    let gauge = |name: &str, help| Family::gauge(&format!("follow_{name}"), help);
    let mut changes = gauge(
        "planned_changes",
        "Steps that the last comparison with the file left to do",
    );
    let mut valid = gauge(
        "file_valid",
        "Whether the file has no mistakes; if it has some, the previous version is followed",
    );
    let mut time = gauge(
        "last_apply_timestamp_seconds",
        "When the follower last had something to do",
    );
    let mut success = gauge(
        "last_apply_success",
        "Whether every step succeeded that time",
    );
    if let Some(following) = following {
        changes.add(&[], following.planned_changes);
        valid.add(&[], u32::from(following.file_valid));
        if let Some(last) = &following.last_apply {
            time.add(&[], last.seconds);
            success.add(&[], u32::from(last.success));
        }
    }
    [changes, valid, time, success]
}
