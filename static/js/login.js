// A one-time link is redeemed by a POST, so that a preview of the link (a chat, a mail scanner) cannot use it up.
document.getElementById("code-form")?.requestSubmit();
