//! Criterion microbenchmarks of the hot calls, over a recorded card: the module's own time.
//! `cargo bench -p jpki-bench`. It touches no reader.

#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot run shall say so"
)]

use criterion::{Criterion, criterion_group, criterion_main};
use jpki_bench::hot::{CALLS, Scene};

fn calls(criterion: &mut Criterion) {
    let scene = Scene::new().unwrap();
    for name in CALLS {
        criterion.bench_function(name, |bencher| bencher.iter(|| scene.call(name).unwrap()));
    }
}

criterion_group!(benches, calls);
criterion_main!(benches);
