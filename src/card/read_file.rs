//! How a file is read: by its short identifier or after a SELECT, block by block, cut at the length that its content
//! names.

use log::{debug, info, warn};

use super::apdu::{Command, Response, StatusWord};
use super::certificate::Certificate;
use super::error::Error;
use super::files::{
    CertificateFile, FileId, MAX_CERTIFICATE_LENGTH, READ_LENGTH, USUAL_CERTIFICATE_LENGTH,
};
use super::state::{Addressing, Fallback};
use super::transaction::{Transaction, unexplained};

impl Transaction<'_> {
    /// The first bytes of a file, which is the current one afterwards. At most `length` of them. No file that we
    /// read is empty where it exists: an answer without data is asked for again once, because a torn one looks
    /// like that.
    pub(super) fn read_start(&mut self, file: FileId, length: usize) -> Result<Vec<u8>, Error> {
        match self.read_start_once(file, length)? {
            bytes if bytes.is_empty() => self.read_start_once(file, length),
            bytes => Ok(bytes),
        }
    }

    fn read_start_once(&mut self, file: FileId, length: usize) -> Result<Vec<u8>, Error> {
        if self.state.form.reading != Addressing::Long {
            let response = self.send(Command::read_short(file, length))?;
            if response.status.proves_the_form() {
                self.state.form.reading = Addressing::Short;
            }
            let refused =
                response.status.refuses_the_form() || response.status == StatusWord::NotFound;
            if self.state.form.reading == Addressing::Short || !refused {
                return data_of_read(response);
            }
        }
        match self.send(Command::select_file(file))?.status {
            StatusWord::Ok => {}
            StatusWord::NotFound => return Err(Error::FileAbsent),
            other => return Err(unexplained("SELECT EF", other)),
        }
        if self.state.form.reading != Addressing::Long {
            self.state.form.reading = Addressing::Long;
            self.state.fall_back(Fallback::FilesSelected);
        }
        data_of_read(self.send(Command::read(0, length))?)
    }

    /// A whole DER object from the start of a file, cut at its own length: what follows it in the
    /// file is filler (docs/card.md, 2.2). That there is no such file is said for sure.
    pub(super) fn read_der(&mut self, file: FileId) -> Result<Vec<u8>, Error> {
        self.read_der_or_known(file, &[])
    }

    /// As [`Transaction::read_der`]. `known`: what the file held in an earlier insertion. The same first block is
    /// the same certificate, because its serial number is in it: the rest is not read again. Where nothing is known,
    /// and the reader can, all of it is asked for at once.
    pub(super) fn read_der_or_known(
        &mut self,
        file: FileId,
        known: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let whole = match known {
            [] => self.read_whole(file)?,
            _ => None,
        };
        let start = whole.map_or_else(|| self.read_start(file, READ_LENGTH), Ok);
        let mut bytes = match start {
            Err(Error::FileAbsent) => {
                self.prove_selected()?;
                return Err(Error::FileAbsent);
            }
            start => start?,
        };
        let length = der_length(&bytes).ok_or(match bytes.first() {
            // An empty file, or one that was never written.
            None | Some(0x00 | 0xFF) => Error::FileAbsent,
            Some(_) => Error::Malformed("the file holds no certificate"),
        })?;
        if bytes.len() == READ_LENGTH && known.len() == length && known.starts_with(&bytes) {
            return Ok(known.to_vec());
        }
        self.read_on(&mut bytes, length)?;
        Ok(bytes)
    }

    /// A certificate, compared with the other one that proves it when both are known. The authority is on the same
    /// card, and no READ has a checksum of its own: what does not fit is read again, once. What the card says twice
    /// is what the card holds.
    ///
    /// # Errors
    /// [`Error::AnotherCard`]: the certificate that was read earlier was torn; the card is to be opened again.
    pub(super) fn read_certificate(&mut self, file: CertificateFile) -> Result<Certificate, Error> {
        let mut certificate = Certificate::parse(self.read_der(file.id())?)?;
        if self.is_disproved(file, &certificate) {
            info!("{file:?} does not fit its authority; it is read again");
            certificate = Certificate::parse(self.read_der(file.id())?)?;
        }
        let leaf = file.role().certificate();
        if leaf != file {
            self.compare_again(leaf, &certificate)?;
        }
        self.state.certificates.insert(file, certificate.clone());
        Ok(certificate)
    }

    /// Is it signed by another key than that of its authority, as far as that is known?
    fn is_disproved(&self, file: CertificateFile, certificate: &Certificate) -> bool {
        let authority = match file.authority() {
            Some(authority) => self.state.certificates.get(&authority),
            None => Some(certificate),
        };
        authority.is_some_and(|authority| certificate.is_signed_by(authority) == Some(false))
    }

    /// Looks whether a certificate that was read before its authority was read well.
    fn compare_again(
        &mut self,
        leaf: CertificateFile,
        authority: &Certificate,
    ) -> Result<(), Error> {
        let before = self.state.certificates.get(&leaf);
        let disproved = before.filter(|it| it.is_signed_by(authority) == Some(false));
        let Some(before) = disproved.cloned() else {
            return Ok(());
        };
        if self.reads_otherwise(leaf, &before) {
            return Err(Error::AnotherCard);
        }
        warn!("{leaf:?} is not signed by the authority on its card");
        Ok(())
    }

    /// Does the card show another certificate in that file now? False where it shows none.
    pub(super) fn reads_otherwise(&mut self, file: CertificateFile, before: &Certificate) -> bool {
        self.read_der(file.id())
            .is_ok_and(|now| now != before.der())
    }

    /// Reads on in the current file until so many bytes of it are there, and no more.
    pub(super) fn read_on(&mut self, bytes: &mut Vec<u8>, length: usize) -> Result<(), Error> {
        while bytes.len() < length {
            let offset = u16::try_from(bytes.len()).map_err(|_| Error::Malformed("offset"))?;
            if let Some(part) = self.read_extended(offset, length - bytes.len())? {
                bytes.extend_from_slice(&part);
                continue;
            }
            let wanted = (length - bytes.len()).min(READ_LENGTH);
            let part = data_of_read(self.send(Command::read(offset, wanted))?)?;
            if part.is_empty() || part.len() > wanted {
                return Err(Error::Malformed("READ BINARY gave another number of bytes"));
            }
            bytes.extend_from_slice(&part);
        }
        bytes.truncate(length);
        Ok(())
    }
}

impl Transaction<'_> {
    /// The start of a file, mostly long enough for its certificate, in one answer. `None`: as [`Transaction::extended`],
    /// or the card has no such short identifier.
    fn read_whole(&mut self, file: FileId) -> Result<Option<Vec<u8>>, Error> {
        if self.state.form.reading == Addressing::Long {
            return Ok(None);
        }
        let read = |length| Command::read_short_extended(file, length);
        let part = self.extended(USUAL_CERTIFICATE_LENGTH, read)?;
        if part.is_some() {
            self.state.form.reading = Addressing::Short;
        }
        Ok(part)
    }

    /// Up to so many bytes of the current file in one answer. `None`: as [`Transaction::extended`].
    fn read_extended(&mut self, offset: u16, length: usize) -> Result<Option<Vec<u8>>, Error> {
        self.extended(length, |length| Command::read_extended(offset, length))
    }

    /// A READ that asks for up to so many bytes, where the reader can. `None`: it cannot, or the card refuses; then
    /// it is not tried again in this insertion, also when there is no answer at all. What the card says of the file
    /// and not of the length leaves it as it is.
    fn extended(
        &mut self,
        length: usize,
        read: impl FnOnce(u16) -> Command,
    ) -> Result<Option<Vec<u8>>, Error> {
        let most = self.state.extended;
        let wanted = length.min(most);
        let Some(le) = u16::try_from(wanted).ok().filter(|_| wanted > READ_LENGTH) else {
            return Ok(None);
        };
        self.state.extended = 0;
        let response = self.send(read(le))?;
        let status = response.status;
        let answer = match data_of_read(response) {
            Ok(part) if (1..=wanted).contains(&part.len()) => Ok(Some(part)),
            Err(error @ Error::NotVerified) => Err(error),
            Err(Error::FileAbsent) => Ok(None),
            // The file is shorter, and the card gives nothing beyond its end.
            _ if status == StatusWord::Other(0x6B00) => Ok(None),
            _ => {
                debug!("extended READ BINARY was answered {status:?}");
                self.state.fall_back(Fallback::ShortReads);
                return Ok(None);
            }
        };
        self.state.extended = most;
        answer
    }
}

fn data_of_read(response: Response) -> Result<Vec<u8>, Error> {
    match response.status {
        StatusWord::Ok | StatusWord::EndOfFile => Ok(response.data),
        StatusWord::SecurityStatus => Err(Error::NotVerified),
        StatusWord::NotFound => Err(Error::FileAbsent),
        // The end of a file that is empty.
        StatusWord::Other(0x6B00) => Ok(Vec::new()),
        other => Err(unexplained("READ BINARY", other)),
    }
}

/// Length of the DER SEQUENCE that starts here, header included, if it is one that a certificate can be.
fn der_length(bytes: &[u8]) -> Option<usize> {
    let (header, content) = match *bytes {
        [0x30, 0x82, high, low, ..] => (4, usize::from(u16::from_be_bytes([high, low]))),
        [0x30, 0x81, length, ..] => (3, usize::from(length)),
        _ => return None,
    };
    let whole = header + content;
    (whole <= MAX_CERTIFICATE_LENGTH).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_of_a_certificate_is_in_its_first_bytes() {
        assert_eq!(der_length(&[0x30, 0x82, 0x05, 0x12, 0x30]), Some(4 + 0x512));
        assert_eq!(der_length(&[0x30, 0x81, 0xF0, 0x30]), Some(3 + 0xF0));
        for none in [
            &[0x30, 0x82, 0xFF, 0xFF][..],
            &[0x30, 0x10],
            &[0x31, 0x82, 1, 0],
            &[0x30, 0x82, 5],
            &[],
        ] {
            assert_eq!(der_length(none), None, "{none:02X?}");
        }
    }
}
