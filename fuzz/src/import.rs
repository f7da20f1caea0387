//! Files of other communities: whatever is in them, every command fits into a frame and nothing in it acts.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use nix::sys::memfd::{MFdFlags, memfd_create};
use veritable_import::discourse::{self, DiscourseOptions};
use veritable_import::mediawiki::{self, MediawikiOptions};
use veritable_import::{ImportError, Recorder, Report, Silent};
use veritable_writer_api::frame::{MAX_FRAME_BYTES, to_frame};
use veritable_writer_api::message::{Command, Import};

use crate::dangers::dangers;

pub(crate) fn discourse(data: &[u8]) {
    check(data, |path, sink| {
        let options = DiscourseOptions { path, ..DiscourseOptions::default() };
        discourse::run(&options, sink, &mut Silent)
    });
}

pub(crate) fn mediawiki(data: &[u8]) {
    check(data, |path, sink| mediawiki::run(&MediawikiOptions { path }, sink, &mut Silent));
}

fn check(data: &[u8], run: impl Fn(PathBuf, &mut Recorder) -> Result<Report, ImportError>) {
    let mut file = File::from(memfd_create("import", MFdFlags::empty()).expect("a file in memory"));
    file.write_all(data).expect("room for it");
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    let mut sink = Recorder::default();
    if let Err(error) = run(path, &mut sink) {
        assert!(!error.to_string().is_empty());
    }
    for command in sink.commands {
        let Command::Import(step) = command else { continue };
        let html: Vec<&str> = match step.as_ref() {
            Import::Topic { topic, .. } => {
                topic.posts.iter().map(|post| post.content.rendered.html.as_str()).collect()
            }
            Import::Page { page, .. } => {
                page.rendered.iter().map(|rendered| rendered.html.as_str()).collect()
            }
            _ => Vec::new(),
        };
        for html in html {
            assert_eq!(dangers(html), Vec::<String>::new(), "{html}");
        }
        let frame = to_frame(&Command::Import(step)).expect("a command fits into a frame");
        assert!(frame.len() <= MAX_FRAME_BYTES);
    }
}
