import { decodeCompletions } from '../../src/core/completions.ts'
import type { Command, OffsetToCommit, Task } from '../../src/core/facts.ts'
import type { Assignment } from '../../src/core/record.ts'

/** `name@offset`, and `#attempt` from the second one on. */
export function spellTask({ assignment, record, attempt }: Task, name: (assignment: Assignment) => string): string {
  return `${name(assignment)}@${record.offset}${attempt > 1 ? `#${attempt}` : ''}`
}

/** `name→offset`, and `+offset` for each that is settled above it. */
function spellOffset(offset: OffsetToCommit, name: (assignment: Assignment) => string): string {
  const { assignment, nextOffset, metadata } = offset
  const settled = decodeCompletions(metadata, { committed: nextOffset })?.from(nextOffset) ?? []
  return [`${name(assignment)}→${nextOffset}`, ...settled].join('+')
}

/** A command in one line, for traces and for expectations that read well. */
export function spell(command: Command, name: (assignment: Assignment) => string): string {
  const tasks = (tasks: readonly Task[]) => tasks.map(task => spellTask(task, name)).join(' ')
  switch (command.type) {
    case 'start':
    case 'abort':
      return `${command.type} ${tasks(command.tasks)}`
    case 'deadLetter':
      return `deadLetter ${command.sentences.map(({ task, reason }) => `${spellTask(task, name)} ${reason}`).join(', ')}`
    case 'commit':
      return `commit ${command.offsets.map(offset => spellOffset(offset, name)).join(' ')}`
    case 'pause':
    case 'resume':
    case 'handedOver':
      return `${command.type} ${command.assignments.map(name).join(' ')}`
    case 'wakeAt':
      return `wakeAt ${command.atMs}`
    case 'detach':
      return `detach ${command.records.map(({ offset }) => offset).join(' ')}`
    case 'rejoin':
      return command.type
    case 'stopped':
      return `stopped, ${command.unfinished} unfinished, ${command.committed ? 'committed' : 'not committed'}`
    default:
      return command satisfies never
  }
}
