// On the machine: send as an order on standard input says, by Nodemailer.
const fs = require("fs");
const nodemailer = require("/usr/share/nodejs/nodemailer");

const order = JSON.parse(fs.readFileSync(0, "utf8"));
// The machine has no network but its own loopback.
const options = { allowInternalNetworkInterfaces: true, host: order.server, port: order.port, name: "client.example", secure: false };
if (order.tls) {
  options.requireTLS = true;
  options.tls = { ca: fs.readFileSync(order.ca), minVersion: `TLSv${order.tls}`, maxVersion: `TLSv${order.tls}` };
  if (order.certificate) {
    options.tls.cert = fs.readFileSync(order.cert);
    options.tls.key = fs.readFileSync(order.key);
  }
} else {
  options.ignoreTLS = true;
}
if (order.auth) {
  options.auth = { user: "alice", pass: fs.readFileSync(order.secret, "utf8") };
  options.authMethod = order.auth;
}
const raw = fs.readFileSync(order.mail);
const envelope = { from: order.sender, to: order.to, use8BitMime: raw.some((octet) => octet > 127) };
if (order.envid) {
  envelope.dsn = { ret: "HDRS", envid: order.envid, notify: ["SUCCESS", "FAILURE"] };
}
nodemailer.createTransport(options).sendMail({ envelope, raw }).then(
  (done) => {
    if (done.rejected.length) {
      console.error(`refused: ${done.rejected}`);
      process.exit(1);
    }
  },
  (error) => {
    console.error(`${error.code}: ${error.message}`);
    process.exit(1);
  },
);
