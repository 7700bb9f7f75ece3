//! One page that holds all pictures, and needs nothing else.

use std::fmt::Write as _;

use super::svg::escaped;
use super::{Album, Picture};

const STYLE: &str = "body{font:15px/1.5 system-ui,'Segoe UI',Helvetica,Arial,sans-serif;color:#23262e;background:#fafbfc;\
    max-width:860px;margin:32px auto;padding:0 20px}h1{font-size:26px;margin:0 0 4px}h2{font-size:18px;margin:0 0 4px}\
    section{background:#fff;border:1px solid #e4e7ec;border-radius:10px;padding:18px 22px;margin:18px 0}\
    p{margin:2px 0 12px;color:#555b66}svg{max-width:100%;height:auto;display:block}";

/// The page.
pub(super) fn page(album: &Album, pictures: &[Picture]) -> String {
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width\">\n<title>The pattern of life</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <h1>The pattern of life</h1>\n<p>{} personas on {} decoys, {} days from {}: {} sessions, {} plants and edits.</p>\n",
        album.personas,
        album.decoys,
        album.days,
        escaped(&crate::render::time::utc(album.from)),
        album.sessions,
        album.events,
    );
    for Picture { title, text, svg, .. } in pictures {
        let (title, text) = (escaped(title), escaped(text));
        let _ = write!(page, "<section>\n<h2>{title}</h2>\n<p>{text}</p>\n{}</section>\n", svg.inline());
    }
    page.push_str("</body>\n</html>\n");
    page
}
