//! `serve`: builds the deck, then hands the reader to the control socket and to vpcd.

use std::{
    error::Error,
    fs::File,
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use jpki_card_simulator::VirtualReader;

use crate::{arguments::Options, control, export, storage::Storage, vpcd};

pub(crate) fn serve(options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    let reader = VirtualReader::new();
    let mut storage = Storage::open(options.state.as_deref())?;
    for (name, profile) in &options.cards {
        reader.add(name, storage.card(name, profile)?);
    }
    if let Some(folder) = &options.export {
        export::export(folder, &reader)?;
    }
    if let Some(path) = &options.log {
        reader.log_to(log(path)?);
    }
    reader.set_timing(options.timing);
    if let (false, Some((first, _))) = (options.empty, options.cards.first()) {
        reader.insert(first)?;
    }
    control::listen(&options.control, &reader)
        .map_err(|error| format!("{}: {error}", options.control.display()))?;
    // For scripts: from here on the control socket answers.
    writeln!(io::stdout(), "ready {}", options.control.display())?;
    vpcd::serve(&options.vpcd, &reader, &mut storage)
}

fn log(path: &Path) -> Result<Box<dyn Write + Send>, Box<dyn Error>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdout()));
    }
    let file = File::options().create(true).append(true).open(path);
    let file = file.map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Box::new(file))
}
