//! The log, on stderr or in a file, off but for warnings that somebody must act on. `env_logger` reads
//! its filters. It never decides what is said, and never holds a lock: a child that `fork` made while
//! another thread wrote would wait for it for ever.

use std::fs::{File, OpenOptions};
use std::io::Write;

use env_logger::Builder;
use log::{Log, Metadata, Record, info, warn};

use crate::config::{Complaint, Config};
use crate::messages::Message;
use crate::vendor::VERSION_TEXT;

/// Starts the log, the first time in a process, and says what is wrong with the configuration.
///
/// A later `C_Initialize` goes on with the first one's log: a logger is for ever.
pub fn start(config: &Config, complaints: &[Complaint]) {
    let language = config.spoken_language();
    let file = config.log_file.as_ref().map(|path| {
        let opened = OpenOptions::new().create(true).append(true).open(path);
        opened.map_err(|error| Message::LogFileNotWritable {
            path: path.clone(),
            reason: error.to_string(),
        })
    });
    let (file, trouble) = match file {
        Some(Ok(file)) => (Some(file), None),
        Some(Err(message)) => (None, Some(message)),
        None => (None, None),
    };
    let filter = Builder::new().parse_filters(&config.log).build();
    let most = filter.filter();
    // An error says that there is a logger: ours, of an earlier C_Initialize.
    if log::set_boxed_logger(Box::new(Lines { filter, file })).is_ok() {
        log::set_max_level(most);
    }
    // `jpki-doctor` reads the version out of the module's file, where this text puts it.
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

/// One line for each record, in one piece.
struct Lines {
    filter: env_logger::Logger,
    /// `None`: stderr.
    file: Option<File>,
}

impl Log for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.filter.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.filter.matches(record) {
            return;
        }
        let line = format!(
            "[{:<5} {}] {}\n",
            record.level(),
            record.target(),
            record.args()
        );
        // A line that cannot be written has nobody to complain to.
        match &self.file {
            Some(file) => {
                let mut file = file;
                let _ = file.write_all(line.as_bytes());
            }
            None => {
                // `std::io::stderr` has a lock of the whole process.
                let _ = rustix::io::write(rustix::stdio::stderr(), line.as_bytes());
            }
        }
    }

    fn flush(&self) {}
}
