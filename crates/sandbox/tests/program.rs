//! Tests the sandbox as a program: it prints its address and keys, answers there, and refuses an
//! address that others could reach.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// A process that is killed when the test ends.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sharehook-sandbox"));
    command.args(arguments);
    command
}

#[test]
fn it_prints_where_it_listens_and_answers_there() {
    let mut command = command(&["--listen", "127.0.0.1:0", "--fault", "*:status:502@2"]);
    let mut program = Program(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(program.0.stdout.take().unwrap()).lines();
    let mut line = || lines.next().unwrap().unwrap();
    let first = line();
    let address = first.strip_prefix("stand-in cloud on http://").unwrap();
    assert!(
        line().contains("TENCENTCLOUD_SECRET_ID=") && line().contains("TENCENTCLOUD_SECRET_KEY=")
    );
    let mut stream = TcpStream::connect(address).unwrap();
    let request =
        format!("GET /sandbox/faults HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.contains("*:status:502@2"),
        "{answer}"
    );
}

#[test]
fn it_refuses_an_address_that_others_can_reach() {
    let output = command(&["--listen", "0.0.0.0:0"]).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && told.contains("loopback only"),
        "{told}"
    );
}
