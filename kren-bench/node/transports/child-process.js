// The other side of child.js: sends back what it is asked to.

process.on('message', ({ echo, payload }) => {
  if (echo) process.send(payload);
});
process.on('disconnect', () => process.exit(0));
