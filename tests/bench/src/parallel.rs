//! Several readers and several threads at once: do the cards work without gaps?

use std::path::Path;
use std::thread;
use std::time::Instant;

use cryptoki::context::Pkcs11;
use cryptoki::mechanism::Mechanism;
use cryptoki::session::UserType;
use cryptoki::slot::Slot;
use serde_json::{Value, json};

use crate::Result;
use crate::card::Timing;
use crate::client::{AUTHENTICATION, digest_info, key, load, pin, slots_of};
use crate::meter::{Exchange, Meter};

/// Signatures of each thread.
const EACH: usize = 4;

/// Threads on one reader.
const THREADS: usize = 8;

/// Signs in one reader alone, in two side by side, and with eight threads in one.
///
/// # Errors
/// Whatever the module says; when there are not two readers with a card.
pub fn run(module: &Path, timing: Timing) -> Result<Value> {
    let client = load(module)?;
    let slots = slots_of(&client, AUTHENTICATION)?;
    let [first, second] = slots[..] else {
        return Err(format!("{} readers with a card instead of 2", slots.len()).into());
    };
    for slot in [first, second] {
        let session = client.open_ro_session(slot)?;
        session.login(UserType::User, Some(&pin(AUTHENTICATION)))?;
        // A login lasts as long as a session of its token does.
        std::mem::forget(session);
    }
    let alone = at_once(&client, &[first])?;
    let side_by_side = at_once(&client, &[first, second])?;
    let meter = Meter::start()?;
    let crowd = at_once(&client, &[first; THREADS])?;
    let exchanges = meter.exchanges()?;
    client.finalize()?;
    Ok(json!({
        "signatures_each": EACH,
        "one_reader_ms": alone,
        "two_readers_ms": side_by_side,
        "threads": THREADS,
        "threads_ms": crowd,
        "apdus": exchanges.len(),
        "idle_ms_per_signature": idle_for_each_signature(&exchanges, timing),
    }))
}

/// The same for people.
pub fn sentence(figures: &Value) -> String {
    let number = |name: &str| {
        figures
            .get(name)
            .and_then(Value::as_f64)
            .unwrap_or(f64::NAN)
    };
    let (each, threads) = (number("signatures_each"), number("threads"));
    format!(
        "{each} signatures in one reader: {:.0} ms; in two readers at once, {each} each: {:.0} ms. {threads} threads on one reader: \
         {:.0} ms for each signature, of which the card is idle for {:.1} ms (its own RSA of 2 ms included).\n",
        number("one_reader_ms"),
        number("two_readers_ms"),
        number("threads_ms") / (threads * each),
        number("idle_ms_per_signature"),
    )
}

/// Milliseconds until one thread for each slot has signed [`EACH`] times.
fn at_once(client: &Pkcs11, slots: &[Slot]) -> Result<f64> {
    let started = Instant::now();
    thread::scope(|scope| {
        let threads: Vec<_> = slots
            .iter()
            .map(|&slot| scope.spawn(move || sign(client, slot).map_err(|e| e.to_string())))
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| "a thread panicked".to_owned())?)
    })?;
    Ok(started.elapsed().as_secs_f64() * 1000.0)
}

fn sign(client: &Pkcs11, slot: Slot) -> Result<()> {
    let session = client.open_ro_session(slot)?;
    let key = key(&session, AUTHENTICATION)?;
    for number in 0..EACH {
        session.sign(&Mechanism::RsaPkcs, key, &digest_info(number))?;
    }
    Ok(())
}

/// From the first answer to the last: time in which the card had nothing to do, for each signature.
fn idle_for_each_signature(exchanges: &[Exchange], timing: Timing) -> Option<f64> {
    let (first, rest) = exchanges.split_first()?;
    let last = rest.last()?;
    let busy: f64 = rest
        .iter()
        .map(|exchange| timing.cost(exchange.bytes, exchange.signs))
        .sum();
    let signatures = rest.iter().filter(|exchange| exchange.signs).count();
    Some((last.ended - first.ended - busy) / signatures as f64)
}
