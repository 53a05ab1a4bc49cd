import { type ReactNode, useState } from 'react'
import { Confirm, type Confirmation } from './confirm'

/** The question before an act: `ask(…)` opens it, `question` goes anywhere into the page. */
export function useAsk(): { ask: (asked: Confirmation) => void; question: ReactNode } {
  const [asked, setAsked] = useState<Confirmation | null>(null)
  return { ask: setAsked, question: <Confirm asked={asked} close={() => setAsked(null)} /> }
}
