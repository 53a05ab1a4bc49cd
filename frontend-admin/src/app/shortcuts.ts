import { useEffect, useRef } from 'react'
import { useNavigate } from 'react-router'
import type { Place } from './nav'

const SEQUENCE_MILLISECONDS = 1200

interface Acts {
  search: () => void
  help: () => void
}

/** Letters mean something only where nobody is typing, and no question is open. */
function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false
  return target.closest('input, textarea, select, [contenteditable], [role="dialog"]') !== null
}

/** `/` searches, `?` helps, `g` and a letter go to a page. */
export function useShortcuts(places: Place[], { search, help }: Acts): void {
  const navigate = useNavigate()
  // Kept over renders: the page may be drawn anew between the two keys.
  const goneAt = useRef(0)
  useEffect(() => {
    function onKey(event: KeyboardEvent) {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return
      const goes = Date.now() - goneAt.current < SEQUENCE_MILLISECONDS
      goneAt.current = 0
      const place = goes ? places.find((each) => each.key === event.key) : undefined
      if (place) void navigate(place.to)
      else if (event.key === 'g') goneAt.current = Date.now()
      else if (event.key === '/') search()
      else if (event.key === '?') help()
      else return
      event.preventDefault()
    }
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  }, [places, search, help, navigate])
}
