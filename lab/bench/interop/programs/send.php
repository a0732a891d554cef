<?php
// On the machine: send as an order on standard input says, by PHPMailer's class for SMTP.
require '/usr/share/php/libphp-phpmailer/src/SMTP.php';

$order = json_decode(stream_get_contents(STDIN), true);
$ssl = ['cafile' => $order['ca'], 'verify_peer' => true, 'peer_name' => $order['server']];
if ($order['certificate']) {
    $ssl += ['local_cert' => $order['cert'], 'local_pk' => $order['key']];
}
if ($order['tls']) {
    $ssl['crypto_method'] = $order['tls'] === '1.3'
        ? STREAM_CRYPTO_METHOD_TLSv1_3_CLIENT : STREAM_CRYPTO_METHOD_TLSv1_2_CLIENT;
}
$smtp = new PHPMailer\PHPMailer\SMTP();
$must = function (string $what, bool $done) use ($smtp): void {
    if (!$done) {
        fwrite(STDERR, "$what: " . json_encode($smtp->getError()) . "\n");
        exit(1);
    }
};
$must('connect', $smtp->connect($order['server'], $order['port'], 60, ['ssl' => $ssl]));
$must('EHLO', $smtp->hello('client.example'));
if ($order['tls']) {
    $must('STARTTLS', $smtp->startTLS());
    $must('EHLO', $smtp->hello('client.example'));
}
if ($order['auth']) {
    $must('AUTH', $smtp->authenticate('alice', file_get_contents($order['secret']), $order['auth']));
}
$must('MAIL', $smtp->mail($order['sender']));
foreach ($order['to'] as $recipient) {
    $must('RCPT', $smtp->recipient($recipient, $order['envid'] ? 'SUCCESS,FAILURE' : ''));
}
$must('DATA', $smtp->data(substr(file_get_contents($order['mail']), 0, -2)));
$smtp->quit();
