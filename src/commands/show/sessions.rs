// SPDX-License-Identifier: GPL-2.0-only
//! The view `show --sessions`.

use serde::Serialize;

use super::super::Error;
use super::flow::FlowFilter;
use super::query::{Look, Query};
use crate::director;
use crate::kmod::{self, Session};
use crate::output::grid::{Column, Grid, Row, Value};

#[derive(Serialize)]
struct Document<'a> {
    sessions: &'a [Session],
}

pub(super) fn look(query: &Query) -> Result<Look, Error> {
    let filter = FlowFilter::new(&query.filter)?;
    let keep =
        |session: &Session| filter.takes(Some(session.protocol), session.vip, session.server);
    let sessions = kmod::sessions(keep).map_err(director::Error::from)?;
    if sessions.is_empty() {
        filter.check_names()?;
    }
    query.answer(
        || Document {
            sessions: &sessions,
        },
        || grid(&sessions),
    )
}

pub(super) fn grid(sessions: &[Session]) -> Grid {
    let rows = sessions.iter().map(|session| {
        let address = |address| Value::address(address, Some(session.protocol));
        Row::new([
            Value::text(session.protocol),
            address(session.client),
            address(session.vip),
            address(session.local_ip),
            address(session.server),
            Value::text(session.fast_path.word()),
            Value::text(session.xdp.word()),
        ])
    });
    Grid::new(
        [
            Column::text("Protocol"),
            Column::text("Client"),
            Column::text("VIP"),
            Column::text("Local IP"),
            Column::text("Server"),
            Column::text("Fast path"),
            Column::text("XDP"),
        ],
        rows.collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::{json, text};
    use super::*;
    use crate::kmod::Directions;
    use crate::model::Protocol;

    #[test]
    fn a_session_is_a_row_and_an_object() {
        let address = |text: &str| text.parse().unwrap();
        let sessions = [Session {
            protocol: Protocol::Tcp,
            client: address("10.1.0.2:36284"),
            vip: address("10.0.0.1:80"),
            local_ip: address("10.2.0.100:36284"),
            server: address("10.2.0.2:8080"),
            fast_path: Directions::Both,
            xdp: Directions::Original,
        }];
        snapbox::assert_data_eq!(
            text(&grid(&sessions)),
            snapbox::str![[r#"
Protocol  Client          VIP          Local IP          Server         Fast path  XDP
tcp       10.1.0.2:36284  10.0.0.1:80  10.2.0.100:36284  10.2.0.2:8080  both       original

"#]]
        );
        let document = Document {
            sessions: &sessions,
        };
        json("show --sessions", &document);
    }
}
