//! The log: `env_logger` on stderr or in a file, off but for warnings that somebody must act on.
//! It reads the configuration. It never decides what is said.

use std::fs::OpenOptions;

use env_logger::{Builder, Target, WriteStyle};
use log::{info, warn};

use crate::config::{Complaint, Config};
use crate::messages::Message;
use crate::vendor::VERSION_TEXT;

/// Starts the log, the first time in a process, and says what is wrong with the configuration.
///
/// A later `C_Initialize` goes on with the first one's log: a logger is for ever.
pub fn start(config: &Config, complaints: &[Complaint]) {
    let language = config.spoken_language();
    let mut builder = Builder::new();
    builder
        .parse_filters(&config.log)
        .write_style(WriteStyle::Never);
    let file = config.log_file.as_ref().map(|path| {
        let opened = OpenOptions::new().create(true).append(true).open(path);
        opened.map_err(|error| Message::LogFileNotWritable {
            path: path.clone(),
            reason: error.to_string(),
        })
    });
    let mut trouble = None;
    match file {
        Some(Ok(file)) => {
            builder.target(Target::Pipe(Box::new(file)));
        }
        Some(Err(message)) => trouble = Some(message),
        None => {}
    }
    // An error says that there is a logger: ours, of an earlier C_Initialize.
    let _ = builder.try_init();
    info!("{VERSION_TEXT} is used by {}", config.program);
    if let Some(message) = trouble {
        warn!("{}", message.text(language));
    }
    for complaint in complaints {
        warn!(
            "{}",
            Message::ConfigComplaint {
                complaint: complaint.text(language)
            }
            .text(language)
        );
    }
}
