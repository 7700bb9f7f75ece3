//! An SFTP server that lies, for an sshd to run in the place of its own.

use std::path::Path;

use crate::sshd::SshdOptions;

/// How it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// It never says its version.
    NeverBegins,
    /// It speaks another version than it was asked for.
    OtherVersion,
    /// It names extensions without end.
    EndlessExtensions,
    /// It never answers.
    NeverAnswers,
    /// It answers what nobody asked.
    WrongId,
    /// It answers what nobody asked, as fast as it can.
    Flood,
    /// It claims that a packet has 4 GiB.
    EndlessPacket,
    /// It sends zeros without end.
    Zeros,
    /// It answers every question with a handle.
    WrongType,
    /// It says that everything went well, and gives nothing.
    EmptySuccess,
    /// It cuts every answer short.
    CutShort,
    /// Its files are endless, and every read gives more than was asked for.
    TooMuch,
    /// Its files have another size each time they are looked at, and are endless.
    EndlessFile,
    /// Its directories are endless.
    EndlessDirectory,
    /// Its directories have parts without entries, without end.
    EmptyParts,
    /// Its directories hold names that are no names.
    BadNames,
    /// It ends after the third question.
    Ends,
    /// It ends in the middle of an answer.
    EndsInside,
    /// It answers everything but the opening of files.
    NeverOpens,
    /// It answers everything but reads.
    NeverReads,
    /// It answers everything but the closing of files.
    NeverCloses,
    /// Its files have as many bytes as can be said with a sign, and are endless.
    HugeFile,
    /// It gives data that is said to be longer than the whole answer.
    LongerThanSent,
    /// Its directories are said to have a million entries in one part, of which three come.
    MillionNames,
}

impl Lie {
    /// All of them.
    pub const ALL: [Self; 24] = [
        Self::NeverBegins,
        Self::OtherVersion,
        Self::EndlessExtensions,
        Self::NeverAnswers,
        Self::WrongId,
        Self::Flood,
        Self::EndlessPacket,
        Self::Zeros,
        Self::WrongType,
        Self::EmptySuccess,
        Self::CutShort,
        Self::TooMuch,
        Self::EndlessFile,
        Self::EndlessDirectory,
        Self::EmptyParts,
        Self::BadNames,
        Self::Ends,
        Self::EndsInside,
        Self::NeverOpens,
        Self::NeverReads,
        Self::NeverCloses,
        Self::HugeFile,
        Self::LongerThanSent,
        Self::MillionNames,
    ];

    /// An sshd that runs this server; `program` is where its text is put.
    ///
    /// # Panics
    /// When the text cannot be written.
    #[must_use]
    #[expect(clippy::expect_used, reason = "what a test prepares fails by panicking")]
    pub fn options(self, program: &Path) -> SshdOptions {
        std::fs::write(program, PROGRAM).expect("the liar's text is written");
        let line = format!("Subsystem sftp /usr/bin/perl {} {self:?}", program.display());
        SshdOptions { without_sftp: true, lines: vec![line], ..SshdOptions::default() }
    }
}

/// In the language that every Debian has. What is no lie is answered like a file of 5 bytes under every name.
const PROGRAM: &str = r#"
use strict;
my $lie = shift;
binmode STDIN; binmode STDOUT; $| = 1;
sub out { my ($body) = @_; print pack('N/a*', $body) or exit; }
sub take { my $n = shift; my $b = '';
    while (length $b < $n) { my $r = sysread(STDIN, $b, $n - length $b, length $b); exit unless $r; } $b }
sub packet { my $n = unpack('N', take(4)); take($n) }
sub attrs { my ($mode, $size) = @_; pack('N', 13) . pack('Q>', $size) . pack('N', $mode) . pack('NN', 1e9, 1e9) }
packet();
sleep 1000 if $lie eq 'NeverBegins';
out(pack('CN', 2, 6)), sleep 1000 if $lie eq 'OtherVersion';
if ($lie eq 'EndlessExtensions') {
    print pack('N', 200000), pack('CN', 2, 3), pack('N/a*N/a*', 'x', 'y') x 19999, 'aaaaa'; sleep 1000; }
my $ext = join '', map { pack('N/a*N/a*', @$_) } ['posix-rename@openssh.com', '1'], ['hardlink@openssh.com', '1'];
out(pack('CN', 2, 3) . $ext);
my ($asked, $parts) = (0, 0);
while (1) {
    my $p = packet(); my ($type, $id) = unpack('CN', $p);
    $asked++;
    next if $lie eq 'NeverAnswers';
    exit if $lie eq 'Ends' && $asked > 3;
    if ($lie eq 'EndsInside') { print pack('N', 100), 'x' x 10; exit; }
    next if ($lie eq 'NeverOpens' && $type == 3) || ($lie eq 'NeverReads' && $type == 5) || ($lie eq 'NeverCloses' && $type == 4);
    out(pack('CNN', 101, $id + 1000, 0)), next if $lie eq 'WrongId';
    if ($lie eq 'Flood') { out(pack('CNN', 101, $id + 1000, 0)) while 1; }
    if ($lie eq 'EndlessPacket') { print "\xff\xff\xff\xff", 'x' x 65536 while 1; }
    if ($lie eq 'Zeros') { print "\0" x 65536 while 1; }
    out(pack('CNN/a*', 102, $id, 'h')), next if $lie eq 'WrongType';
    out(pack('CNN', 101, $id, 0)), next if $lie eq 'EmptySuccess';
    out(pack('CN', 105, $id) . "\0"), next if $lie eq 'CutShort';
    my $size = $lie eq 'TooMuch' || $lie eq 'EndlessFile' ? 2**40 + $asked : $lie eq 'HugeFile' ? 1 << 63 : 5;
    if ($type == 7 || $type == 17) {
        my $path = unpack('N/a*', substr($p, 5));
        my $dir = $path eq '/' || $path eq '/d';
        out(pack('CN', 105, $id) . attrs($dir ? 040755 : 0100644, $size)); }
    elsif ($type == 8) { out(pack('CN', 105, $id) . attrs(0100644, $size)); }
    elsif ($type == 3 || $type == 11) { out(pack('CNN/a*', 102, $id, 'h')); }
    elsif ($type == 5) {
        my ($n, $at) = (unpack('N', substr($p, -4)), unpack('Q>', substr($p, -12, 8)));
        if ($lie eq 'TooMuch') { out(pack('CNN/a*', 103, $id, 'x' x ($n + 1000))); }
        elsif ($lie eq 'LongerThanSent') { out(pack('CNN', 103, $id, 0x7fffffff) . 'abcde'); }
        elsif ($lie eq 'EndlessFile' || $lie eq 'HugeFile') { out(pack('CNN/a*', 103, $id, 'x' x $n)); }
        elsif ($at < 5) { out(pack('CNN/a*', 103, $id, substr('abcde', $at, $n))); }
        else { out(pack('CNN', 101, $id, 1)); } }
    elsif ($type == 12) {
        my @names = $lie eq 'BadNames' ? ('..', '.', '', 'a/b', "a\0b", 'x' x 300, 'good') : map { "n$_" } 1 .. 100;
        @names = () if $lie eq 'EmptyParts';
        my $done = $parts++ > 2 && $lie ne 'EndlessDirectory' && $lie ne 'EmptyParts';
        if ($done) { out(pack('CNN', 101, $id, 1)); }
        elsif ($lie eq 'MillionNames') { out(pack('CNN', 104, $id, 1000000) . join '', map { pack('N/a*N/a*', $_, $_) . attrs(0100644, 1) } 'a', 'b', 'c'); }
        else { out(pack('CNN', 104, $id, scalar @names) . join '', map { pack('N/a*N/a*', $_, $_) . attrs(0100644, 1) } @names); } }
    elsif ($type == 200) { out(pack('CNN', 101, $id, 8)); }
    else { out(pack('CNN', 101, $id, 0)); }
}
"#;
