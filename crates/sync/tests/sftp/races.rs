//! Somebody at the destination who swaps folders for links while a push runs.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::place::{Account, Place};

const ROUNDS: usize = 6;

/// Puts a link to `precious` in the place of a folder and takes it away again, until it is told to stop.
fn swap(folder: &Path, precious: &Path, stop: &AtomicBool) -> usize {
    let (aside, link) = (folder.with_extension("aside"), folder.with_extension("link"));
    let mut swapped = 0;
    while !stop.load(Ordering::Relaxed) {
        if fs::rename(folder, &aside).is_ok() {
            // Where the push has made the folder anew meanwhile, the link stays beside it until the next time.
            let _ = symlink(precious, &link);
            if fs::rename(&link, folder).is_ok() {
                swapped += 1;
            }
            std::thread::yield_now();
            put_back(&aside, folder);
        }
        std::thread::yield_now();
    }
    let _ = fs::remove_file(&link);
    swapped
}

fn put_back(aside: &Path, folder: &Path) {
    if fs::remove_file(folder).is_err() {
        let _ = fs::remove_dir_all(folder);
    }
    let _ = fs::rename(aside, folder);
}

/// What bears no name of the capture, nor such a name as our partial copies have, is neither written to nor removed, wherever a
/// link leads; and a push that went well has put everything where it belongs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_7_folders_that_are_swapped_for_links_under_a_push_cost_nothing_outside() {
    for account in [Account::Shell, Account::SftpAlone] {
        let Some(place) = Place::new(account) else { return };
        let content = vec![7; 3 << 20];
        place.write(&[("a", b"alpha"), ("d/b", b"beta"), ("d/large", &content)]);
        place.push().await.unwrap();
        // Where the key is locked into a folder, the link leads to another one in it.
        let precious = place.vault.with_file_name("precious");
        fs::create_dir(&precious).unwrap();
        let names = ["thesis.tex", ".hidden", "0123456789abcdef", "with blank "];
        for name in names {
            fs::write(precious.join(name), name).unwrap();
        }
        let mut swaps = 0;
        for round in 0..ROUNDS {
            let (name, up) =
                [(".verisim/partial", "../../../../precious"), ("d", "../../../precious")][round % 2];
            let (folder, to) = (place.there().join(name), Path::new(up));
            let stop = AtomicBool::new(false);
            let pushed = std::thread::scope(|scope| {
                let swapping = scope.spawn(|| swap(&folder, to, &stop));
                let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
                let pushing = scope.spawn(|| {
                    let mut options = place.push_options();
                    (options.force_all, options.work_dir) = (true, place.path(&format!("work-{round}")));
                    let (transport, capture, remote) = (place.transport(), place.capture(), place.remote());
                    let push = verisim_core::SyncTransport::push(&transport, &capture, &remote, &options);
                    let done = runtime.block_on(push);
                    runtime.shutdown_background();
                    done
                });
                let pushed = pushing.join().unwrap();
                stop.store(true, Ordering::Relaxed);
                swaps += swapping.join().unwrap();
                pushed
            });
            for name in names {
                assert_eq!(
                    fs::read_to_string(precious.join(name)).unwrap(),
                    name,
                    "{account:?} {round}: {pushed:?}"
                );
            }
        }
        assert!(swaps > ROUNDS, "hardly anything was swapped: {swaps}");
        place.push().await.unwrap();
    }
}
