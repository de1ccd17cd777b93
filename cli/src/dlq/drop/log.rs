//! The file that keeps what was dropped: a line of JSON for each letter, with which it could be sent again.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::Error;
use crate::dlq::Desk;
use crate::dlq::letter::Letter;

/// An open file.
pub(super) struct Log {
    path: PathBuf,
    file: File,
    queue: String,
    reason: String,
    by: String,
    at: DateTime<Utc>,
}

impl Log {
    /// Opens it, and makes it where there is none. What is in it stays.
    pub fn open(path: &Path, desk: &Desk, reason: &str) -> Result<Self, Error> {
        let file = File::options().create(true).append(true).open(path);
        let file = file.map_err(|error| {
            Error::Failed(format!("nothing was deleted: could not open {}: {error}", path.display()))
        })?;
        let (queue, by) = (desk.mailbox.queue.name().into(), desk.config.by.clone());
        Ok(Self { path: path.into(), file, queue, reason: reason.into(), by, at: desk.now })
    }

    /// Writes all of them onto the disk.
    pub fn write(mut self, letters: &[Letter]) -> Result<(), Error> {
        let lines: String = letters.iter().map(|letter| self.line(letter)).collect();
        let written = self.file.write_all(lines.as_bytes()).and_then(|()| self.file.sync_all());
        written.map_err(|error| {
            Error::Failed(format!("nothing was deleted: could not write {}: {error}", self.path.display()))
        })
    }

    fn line(&self, letter: &Letter) -> String {
        let (message, cause) = (&letter.message, &letter.cause);
        let line = json!({
            "version": 1, "at": self.at, "by": self.by, "reason": self.reason, "queue": self.queue,
            "id": letter.id(), "message_id": message.id, "group": message.group, "sent": message.sent,
            "receives": message.receives, "class": cause.class, "code": cause.code, "message": cause.message,
            "attributes": message.attributes, "body": message.body,
        });
        format!("{line}\n")
    }
}
