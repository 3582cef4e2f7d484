/**
 * The image loads this before anything else (ENTRYPOINT, --import). Linux drops a signal that process 1 does not listen for, and
 * until the service listens it has to be loaded: 0.7 s, and 2.7 s on a busy machine. A stop in that time would wait for the whole
 * grace period and end in SIGKILL. Nothing has begun by then, so ending at once is a clean stop. What comes in the tenth of a second
 * before Node itself is up is still lost.
 *
 * JavaScript, since it is copied into the image as it is.
 */
const NUMBERS = { SIGINT: 2, SIGTERM: 15 }

/** A command that was ended has not done what it was asked for; to a service this is what stopping is. */
function codeOf(signal) {
  const isCommand = process.argv[1]?.endsWith('/cli.js') ?? false
  return isCommand ? 128 + NUMBERS[signal] : 0
}

for (const signal of Object.keys(NUMBERS)) {
  process.on(signal, () => {
    // Somebody else listens by now: it is theirs to decide.
    if (process.listenerCount(signal) === 1) process.exit(codeOf(signal))
  })
}
