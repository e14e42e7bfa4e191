//! Resolves names by asking a given DNS server over UDP instead of the system: for tests with their
//! own server. Not here: the lookup thread (resolve.rs).

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::OnceLock,
    time::{Duration, Instant},
};

use simple_dns::{CLASS, Name, Packet, PacketFlag, Question, RCODE, TYPE, rdata::RData};

/// Selects the server.
const VARIABLE: &str = "MGOS_HOST_NAME_SERVER";

/// Retries and timeout as in Mongoose.
const TRIES: usize = 2;
const PATIENCE: Duration = Duration::from_secs(5);

static SERVER: OnceLock<SocketAddr> = OnceLock::new();

/// Reads the server from the environment.
pub(crate) fn init() -> Result<(), String> {
    let Some(text) = std::env::var_os(VARIABLE) else { return Ok(()) };
    let server = text.to_str().and_then(|text| text.parse().ok());
    let server = server.ok_or(format!("{VARIABLE} must be an address with a port like 127.0.0.1:5353, not {text:?}"))?;
    SERVER.get_or_init(|| server);
    Ok(())
}

/// The configured server, if any.
pub(crate) fn chosen() -> Option<SocketAddr> {
    SERVER.get().copied()
}

/// The IPv4 addresses of `host`, as Mongoose asks for no others. Empty if it has none.
pub(crate) fn ask(server: SocketAddr, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    ask_patiently(server, host, port, PATIENCE)
}

fn ask_patiently(server: SocketAddr, host: &str, port: u16, patience: Duration) -> io::Result<Vec<SocketAddr>> {
    let mut id = [0; 2];
    getrandom::fill(&mut id).map_err(io::Error::other)?;
    let id = u16::from_be_bytes(id);
    let name = Name::new(host).map_err(invalid)?;
    let mut query = Packet::new_query(id);
    query.set_flags(PacketFlag::RECURSION_DESIRED);
    query.questions.push(Question::new(name, TYPE::A.into(), CLASS::IN.into(), false));
    let query = query.build_bytes_vec().map_err(invalid)?;

    let from = if server.is_ipv4() { SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)) } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(from)?;
    socket.connect(server)?;
    for _ in 0..TRIES {
        socket.send(&query)?;
        let until = Instant::now() + patience;
        let mut buffer = [0; 1500];
        while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            socket.set_read_timeout(Some(left))?;
            match socket.recv(&mut buffer) {
                Ok(n) => {
                    // Ignores datagrams that do not answer this query.
                    if let Ok(answer) = Packet::parse(&buffer[..n])
                        && answer.id() == id
                        && answer.has_flags(PacketFlag::RESPONSE)
                    {
                        return addresses(&answer, port);
                    }
                }
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted) => {}
                Err(e) => return Err(e),
            }
        }
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, format!("the name server {server} does not answer")))
}

fn addresses(answer: &Packet, port: u16) -> io::Result<Vec<SocketAddr>> {
    if answer.rcode() != RCODE::NoError {
        return Err(io::Error::other(format!("the name server returned {:?}", answer.rcode())));
    }
    let address = |rdata: &RData| if let RData::A(a) = rdata { Some((Ipv4Addr::from(a.address), port).into()) } else { None };
    Ok(answer.answers.iter().filter_map(|record| address(&record.rdata)).collect())
}

fn invalid(e: simple_dns::SimpleDnsError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, e)
}

#[cfg(test)]
mod tests {
    use super::*;
    use simple_dns::{ResourceRecord, rdata::A};
    use std::thread;

    /// A server that answers the first query with this.
    fn asked(answer: impl FnOnce(Packet) -> Option<Packet> + Send + 'static) -> io::Result<Vec<SocketAddr>> {
        let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = server.local_addr().unwrap();
        let answering = thread::spawn(move || {
            let mut buffer = [0; 1500];
            let (n, from) = server.recv_from(&mut buffer).unwrap();
            if let Some(answer) = answer(Packet::parse(&buffer[..n]).unwrap()) {
                server.send_to(b"no packet", from).unwrap();
                server.send_to(&answer.build_bytes_vec().unwrap(), from).unwrap();
            }
            server
        });
        let result = ask_patiently(address, "broker.example", 1883, Duration::from_millis(200));
        answering.join().unwrap();
        result
    }

    #[test]
    fn the_servers_addresses_are_returned() {
        let found = asked(|query| {
            let question = query.questions[0].clone();
            assert_eq!(question.qname.to_string(), "broker.example");
            let mut answer = query.into_reply();
            for last in [1, 2] {
                let address = u32::from(Ipv4Addr::new(127, 0, 0, last));
                answer.answers.push(ResourceRecord::new(question.qname.clone(), CLASS::IN, 1, RData::A(A { address })));
            }
            Some(answer)
        });
        assert_eq!(found.unwrap(), ["127.0.0.1:1883".parse().unwrap(), "127.0.0.2:1883".parse().unwrap()]);
    }

    #[test]
    fn a_name_that_does_not_exist_is_an_error_that_says_so() {
        let refused = asked(|query| {
            let mut answer = query.into_reply();
            *answer.rcode_mut() = RCODE::NameError;
            Some(answer)
        });
        assert!(refused.unwrap_err().to_string().contains("NameError"));
    }

    #[test]
    fn a_server_that_does_not_answer_times_out() {
        assert_eq!(asked(|_| None).unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
