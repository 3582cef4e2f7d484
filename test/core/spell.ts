import type { Command, Task } from '../../src/core/facts.ts'
import type { Assignment } from '../../src/core/record.ts'

/** `name@offset`, and `#attempt` from the second one on. */
export function spellTask({ assignment, record, attempt }: Task, name: (assignment: Assignment) => string): string {
  return `${name(assignment)}@${record.offset}${attempt > 1 ? `#${attempt}` : ''}`
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
      return `commit ${command.offsets.map(({ assignment, nextOffset }) => `${name(assignment)}→${nextOffset}`).join(' ')}`
    case 'pause':
    case 'resume':
      return `${command.type} ${command.assignments.map(name).join(' ')}`
    case 'wakeAt':
      return `wakeAt ${command.atMs}`
    case 'rejoin':
    case 'handedOver':
      return command.type
    case 'stopped':
      return `stopped, ${command.unfinished} unfinished, ${command.committed ? 'committed' : 'not committed'}`
    default:
      return command satisfies never
  }
}
