//! An HTTP/1.1 client small enough to see through: one connection, requests as bytes, answers by their length.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use super::PATIENCE;

/// One answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body in UTF-8")
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", String::from_utf8_lossy(&self.body)))
    }
}

/// One keep-alive connection.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub(crate) fn open(address: &str) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream: BufReader::new(stream) })
    }

    /// Sends one request and reads its answer. `headers` are whole lines without line ends.
    pub(crate) fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[&str],
        body: &[u8],
    ) -> std::io::Result<Reply> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: test\r\n");
        for line in headers {
            head.push_str(line);
            head.push_str("\r\n");
        }
        if !body.is_empty() || method != "GET" {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        self.stream.get_mut().write_all(&[head.as_bytes(), body].concat())?;
        self.read(method == "HEAD")
    }

    /// Asks for a page many times at once, and only then reads the answers.
    pub(crate) fn get_at_once(&mut self, path: &str, times: usize) -> std::io::Result<Vec<Reply>> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
        self.stream.get_mut().write_all(request.repeat(times).as_bytes())?;
        (0..times).map(|_| self.read(false)).collect()
    }

    /// The inode of the server's end, which is on this host (`/proc/net/tcp`, `proc_pid_net(5)`).
    pub(crate) fn server_socket(&self) -> u64 {
        let stream = self.stream.get_ref();
        let (here, there) = (stream.local_addr().unwrap().port(), stream.peer_addr().unwrap().port());
        let ends = |field: &str, port: u16| field.ends_with(&format!(":{port:04X}"));
        let table = std::fs::read_to_string("/proc/net/tcp").expect("the table of connections");
        let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        // Number, local and remote address, state, ..., inode in the tenth place.
        let row = rows.into_iter().find(|row| ends(row[1], there) && ends(row[2], here));
        row.expect("the other end").get(9).expect("an inode").parse().expect("a number")
    }

    fn read(&mut self, head_only: bool) -> std::io::Result<Reply> {
        let line = self.line()?;
        let status = line.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or_else(|| broken(&line))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| broken(&line))?;
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let mut reply = Reply { status, headers, body: Vec::new() };
        let length = reply.header("content-length").and_then(|v| v.parse().ok()).unwrap_or(0);
        if !head_only && status != 304 {
            reply.body = vec![0; length];
            self.stream.read_exact(&mut reply.body)?;
        }
        Ok(reply)
    }

    fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}

fn broken(line: &str) -> std::io::Error {
    std::io::Error::other(format!("not HTTP: {line:?}"))
}
