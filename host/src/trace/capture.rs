//! Writes a capture file of plain TCP for Wireshark and tshark: packets are made up around the
//! observed data, whatever the network carried. Not here: which connections exist, and when they
//! send.

use std::{fs::File, io, net::SocketAddr, path::Path, time::Duration};

use etherparse::PacketBuilder;
use pcap_file::{
    DataLink, PcapError,
    pcap::{PcapHeader, PcapPacket, PcapWriter},
};

/// Ports where Wireshark expects MQTT and WebSocket, in place of the actual one.
const MQTT: u16 = 1883;
const HTTP: u16 = 80;

/// An end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    Client,
    Server,
}

impl Side {
    pub(super) fn other(self) -> Side {
        match self {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }
}

/// Type of a packet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Syn,
    Data,
    Fin,
    Ack,
}

/// A connection in the capture.
pub(super) struct Stream {
    client: SocketAddr,
    server: SocketAddr,
    here: Side,
    /// Next sequence numbers of client and server.
    next: [u32; 2],
    begun: bool,
}

impl Stream {
    pub(super) fn new(client: SocketAddr, server: SocketAddr, here: Side) -> Stream {
        Stream { client, server, here, next: [1000, 5000], begun: false }
    }

    /// Another connection between the same two, for other data.
    pub(super) fn another(&self) -> Stream {
        Stream::new(self.client, self.server, self.here)
    }

    /// A packet, from the IP header on.
    fn packet(&mut self, from: Side, mark: Mark, data: &[u8]) -> io::Result<Vec<u8>> {
        let (us, them) = if from == Side::Client { (self.client, self.server) } else { (self.server, self.client) };
        let at = from as usize;
        let (seq, ack) = (self.next[at], self.next[1 - at]);
        let hops = 64;
        let ip = match (us, them) {
            (SocketAddr::V4(us), SocketAddr::V4(them)) => PacketBuilder::ipv4(us.ip().octets(), them.ip().octets(), hops),
            _ => PacketBuilder::ipv6(v6(us), v6(them), hops),
        };
        let mut tcp = ip.tcp(us.port(), them.port(), seq, u16::MAX);
        // All but the very first packet have ACK set.
        if mark != Mark::Syn || from == Side::Server {
            tcp = tcp.ack(ack);
        }
        tcp = match mark {
            Mark::Syn => tcp.syn(),
            Mark::Fin => tcp.fin(),
            Mark::Data => tcp.psh(),
            Mark::Ack => tcp,
        };
        let counts = data.len() as u32 + u32::from(matches!(mark, Mark::Syn | Mark::Fin));
        self.next[at] = seq.wrapping_add(counts);
        let mut packet = Vec::with_capacity(tcp.size(data.len()));
        tcp.write(&mut packet, data).map_err(io::Error::other)?;
        Ok(packet)
    }
}

fn v6(addr: SocketAddr) -> [u8; 16] {
    match addr {
        SocketAddr::V4(addr) => addr.ip().to_ipv6_mapped().octets(),
        SocketAddr::V6(addr) => addr.ip().octets(),
    }
}

/// The file. Each packet is flushed immediately, in case the program crashes.
pub(super) struct Capture<W: io::Write = File>(Option<PcapWriter<W>>);

impl Capture {
    pub(super) fn create(path: &Path) -> io::Result<Capture> {
        Capture::to(File::create(path)?)
    }
}

impl<W: io::Write> Capture<W> {
    fn to(writer: W) -> io::Result<Capture<W>> {
        let header = PcapHeader { datalink: DataLink::RAW, ..PcapHeader::default() };
        Ok(Capture(Some(PcapWriter::with_header(writer, header).map_err(error)?)))
    }

    /// Stops writing.
    pub(super) fn end(&mut self) {
        self.0 = None;
    }

    fn write(&mut self, stream: &mut Stream, from: Side, mark: Mark, data: &[u8], at: Duration) -> io::Result<()> {
        let Some(writer) = &mut self.0 else { return Ok(()) };
        let packet = stream.packet(from, mark, data)?;
        let len = packet.len() as u32;
        writer.write_packet(&PcapPacket::new(at, len, &packet)).map(drop).map_err(error)
    }

    /// Writes the TCP handshake before the first data, when the port is known.
    fn begin(&mut self, stream: &mut Stream, port: u16, at: Duration) -> io::Result<()> {
        if std::mem::replace(&mut stream.begun, true) {
            return Ok(());
        }
        stream.server.set_port(port);
        self.write(stream, Side::Client, Mark::Syn, &[], at)?;
        self.write(stream, Side::Server, Mark::Syn, &[], at)?;
        self.write(stream, Side::Client, Mark::Ack, &[], at)
    }

    /// One side sends data.
    pub(super) fn data(&mut self, stream: &mut Stream, from: Side, data: &[u8], at: Duration) -> io::Result<()> {
        self.begin(stream, if data.starts_with(b"GET ") { HTTP } else { MQTT }, at)?;
        // Fits into any IP packet.
        data.chunks(32_768).try_for_each(|data| self.write(stream, from, Mark::Data, data, at))
    }

    /// Both sides close.
    pub(super) fn close(&mut self, stream: &mut Stream, at: Duration) -> io::Result<()> {
        self.begin(stream, MQTT, at)?;
        let here = stream.here;
        self.write(stream, here, Mark::Fin, &[], at)?;
        self.write(stream, here.other(), Mark::Fin, &[], at)?;
        self.write(stream, here, Mark::Ack, &[], at)
    }
}

fn error(e: PcapError) -> io::Error {
    match e {
        PcapError::IoError(e) => e,
        e => io::Error::other(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::{NetSlice, SlicedPacket, TransportSlice};
    use pcap_file::pcap::PcapReader;

    /// Source and server port, sequence and acknowledgement number, flags as letters, and data of
    /// each packet.
    fn packets(stream: &mut Stream, play: impl FnOnce(&mut Capture<&mut Vec<u8>>, &mut Stream)) -> Vec<(u16, u32, u32, String, Vec<u8>)> {
        let mut bytes = Vec::new();
        play(&mut Capture::to(&mut bytes).unwrap(), stream);
        let mut reader = PcapReader::new(&bytes[..]).unwrap();
        assert_eq!(reader.header().datalink, DataLink::RAW);
        let mut found = Vec::new();
        while let Some(packet) = reader.next_packet() {
            let packet = packet.unwrap();
            let sliced = SlicedPacket::from_ip(&packet.data).unwrap();
            let v4 = matches!(sliced.net, Some(NetSlice::Ipv4(_)));
            assert_eq!(v4, stream.client.is_ipv4() && stream.server.is_ipv4());
            let Some(TransportSlice::Tcp(tcp)) = sliced.transport else { panic!("no TCP") };
            let flags = [(tcp.syn(), 'S'), (tcp.fin(), 'F'), (tcp.psh(), 'P'), (tcp.ack(), 'A')];
            let flags = flags.iter().filter(|(set, _)| *set).map(|(_, letter)| letter).collect();
            found.push((tcp.source_port(), tcp.sequence_number(), tcp.acknowledgment_number(), flags, tcp.payload().to_vec()));
        }
        found
    }

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn sequence_numbers_continue_in_both_directions() {
        let mut stream = Stream::new(at("10.0.0.1:40000"), at("10.0.0.2:8883"), Side::Client);
        let found = packets(&mut stream, |file, stream| {
            file.data(stream, Side::Client, b"abc", Duration::ZERO).unwrap();
            file.data(stream, Side::Server, b"de", Duration::ZERO).unwrap();
            file.close(stream, Duration::ZERO).unwrap();
        });
        let expected: [(u16, u32, u32, &str, &[u8]); 8] = [
            (40000, 1000, 0, "S", b""),
            (1883, 5000, 1001, "SA", b""),
            (40000, 1001, 5001, "A", b""),
            (40000, 1001, 5001, "PA", b"abc"),
            (1883, 5001, 1004, "PA", b"de"),
            (40000, 1004, 5003, "FA", b""),
            (1883, 5003, 1005, "FA", b""),
            (40000, 1005, 5004, "A", b""),
        ];
        assert_eq!(found, expected.map(|(port, seq, ack, flags, data)| (port, seq, ack, flags.to_owned(), data.to_vec())));
    }

    #[test]
    fn websocket_over_ipv6_uses_the_http_port_and_long_data_is_segmented() {
        let mut stream = Stream::new(at("[::1]:40000"), at("[::1]:8083"), Side::Server);
        let found = packets(&mut stream, |file, stream| {
            file.data(stream, Side::Client, b"GET /mqtt HTTP/1.1\r\n", Duration::ZERO).unwrap();
            file.data(stream, Side::Server, &[7; 100_000], Duration::ZERO).unwrap();
        });
        assert_eq!(found[1].0, 80);
        let lens: Vec<usize> = found.iter().filter(|packet| packet.0 == 80).map(|packet| packet.4.len()).collect();
        assert_eq!(lens, [0, 32_768, 32_768, 32_768, 1696]);
    }

    #[test]
    fn nothing_is_written_after_the_end() {
        let mut stream = Stream::new(at("10.0.0.1:40000"), at("10.0.0.2:1883"), Side::Client);
        let found = packets(&mut stream, |file, stream| {
            file.end();
            file.data(stream, Side::Client, b"abc", Duration::ZERO).unwrap();
        });
        assert_eq!(found, []);
    }
}
