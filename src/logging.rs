//! The log, on stderr or in a file, off but for warnings that somebody must act on. `env_logger` reads its filters.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use env_logger::Builder;
use log::{Log, Metadata, Record, info, warn};
use parking_lot::Mutex;

use crate::config::{Config, Diagnostic};
use crate::messages::Message;
use crate::platform::{file_identity, standard_error, without_waiting, write_quietly};
use crate::vendor::VERSION_TEXT;

/// Starts the log, the first time in a process, and says what is wrong with the configuration.
///
/// A later `C_Initialize` goes on with the first one's log: a logger is for ever.
pub fn start(config: &Config, complaints: &[Diagnostic]) {
    let language = config.spoken_language();
    let file = config.log_file.as_ref().map(|path| {
        LogFile::open(path).map_err(|error| Message::LogFileNotWritable {
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
        tell(&message.text(language));
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

/// Tells the holder something, in one line. A program that repeats what causes it (20,000 logins with an empty PIN
/// were seen) gets the same text five times a minute.
pub fn tell(text: &str) {
    static LAST: Mutex<Option<Told>> = Mutex::new(None);
    // A fork can inherit the lock held: then nothing is counted, and nothing waits.
    if let Some(mut last) = LAST.try_lock() {
        let now = Instant::now();
        match &mut *last {
            Some(told) if told.text == text && now < told.first + PAUSE => {
                told.times += 1;
                if told.times > MOST_REPEATED {
                    return;
                }
            }
            other => {
                *other = Some(Told {
                    text: text.to_owned(),
                    times: 1,
                    first: now,
                });
            }
        }
    }
    warn!(target: "jpki_pkcs11", "{text}");
}

/// What was told last.
struct Told {
    text: String,
    times: u32,
    first: Instant,
}

/// More than anybody needs to notice it.
const MOST_REPEATED: u32 = 5;

const PAUSE: Duration = Duration::from_secs(60);

/// One line for each record, in one piece.
struct Lines {
    filter: env_logger::Logger,
    /// `None`: stderr.
    file: Option<LogFile>,
}

struct LogFile {
    /// Absolute: a daemon changes its folder.
    path: PathBuf,
    file: File,
    identity: Option<(u64, u64)>,
}

impl LogFile {
    fn open(path: &Path) -> io::Result<LogFile> {
        let path = std::path::absolute(path)?;
        let file = open(&path)?;
        Ok(LogFile {
            identity: file_identity(&file),
            path,
            file,
        })
    }

    /// Where the host has closed it, it is opened for this line: what stands under its number now is the host's own.
    fn write(&self, line: &[u8]) {
        if file_identity(&self.file) == self.identity {
            write_quietly(&self.file, line);
        } else if let Ok(file) = open(&self.path) {
            write_quietly(&file, line);
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    without_waiting(options.create(true).append(true)).open(path)
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
            Some(file) => file.write(line.as_bytes()),
            // `std::io::stderr` has a lock of the whole process.
            None => {
                if let Some(stream) = standard_error() {
                    write_quietly(stream, line.as_bytes());
                }
            }
        }
    }

    fn flush(&self) {}
}
