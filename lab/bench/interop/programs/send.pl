#!/usr/bin/perl
# On the machine: send as an order on standard input says, by Perl's own Net::SMTP.
use strict;
use warnings;
use Authen::SASL;
use JSON::PP;
use Net::SMTP;

sub content { my $path = shift; open my $file, '<:raw', $path or die "$path: $!\n"; local $/; return scalar <$file> }

my $order = decode_json(do { local $/; <STDIN> });
my $smtp = Net::SMTP->new($order->{server}, Port => $order->{port}, Hello => 'client.example', Timeout => 60)
    or die "no connection: $@\n";
sub must { my ($what, $done) = @_; die "$what: " . $smtp->code . ' ' . $smtp->message unless $done }

if ($order->{tls}) {
    my %own = $order->{certificate} ? (SSL_cert_file => $order->{cert}, SSL_key_file => $order->{key}) : ();
    my $version = 'TLSv1_' . substr $order->{tls}, 2;
    must('STARTTLS', $smtp->starttls(SSL_ca_file => $order->{ca}, SSL_version => $version, %own));
}
if ($order->{auth}) {
    my %callback = (user => 'alice', pass => content($order->{secret}));
    must('AUTH', $smtp->auth(Authen::SASL->new(mechanism => $order->{auth}, callback => \%callback)));
}
my $data = content($order->{mail});
my %mail = (Size => length $data, $data =~ /[\x80-\xff]/ ? (Bits => 8) : ());
my %recipient;
if ($order->{envid}) {
    %mail = (%mail, Return => 'HDRS', Envelope => $order->{envid});
    %recipient = (Notify => ['SUCCESS', 'FAILURE']);
}
must('MAIL', $smtp->mail($order->{sender}, %mail));
must('RCPT', $smtp->recipient(@{$order->{to}}, \%recipient));
$data =~ s/\r\n/\n/g;    # Net::Cmd writes the line ends of the network itself
must('DATA', $smtp->data($data));
$smtp->quit;
