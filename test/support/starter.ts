/** A starter to be killed: keeps one program running, as the local parts are kept, says where it is, and waits. */
import { keep } from '../../dev/stack/keep.ts'

const kept = await keep({
  name: 'victim',
  files: { 'a-file': 'text' },
  before: [{ command: process.execPath, args: ['-e', ''] }],
  // A child of its own, and deaf to SIGTERM: the whole group has to go.
  main: {
    command: '/bin/sh',
    args: ['-c', 'trap "" TERM; sleep 600 & echo $! > child.pid; echo ready > ready; wait; sleep 600'],
  },
  graceMs: 300,
  orphanGraceMs: 300,
})
process.stdout.write(`${JSON.stringify({ pid: kept.pid, folder: kept.folder })}\n`)
process.stdin.once('data', () => {
  void kept.stop().then(() => process.exit(0))
})
