/** Sixteen-pixel line icons; decorative, the text beside them speaks. */
const paths = {
  check: "M3.5 8.5l3 3 6-7",
  cross: "M4.5 4.5l7 7m0-7l-7 7",
  dash: "M4.5 8h7",
  copy: "M5.5 5.5v-2h7v7h-2M3.5 5.5h7v7h-7z",
  search: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zm3.3-1.2l3.2 3.2",
  up: "M8 12.5v-9m-3.5 3.5L8 3.5 11.5 7",
  down: "M8 3.5v9M4.5 9L8 12.5 11.5 9",
  warn: "M8 2.5l6 11H2zM8 6.5v3.5m0 1.800v.2",
} as const;

export function Icon({ name }: { name: keyof typeof paths }) {
  return (
    <svg className="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      <path d={paths[name]} fill="none" stroke="currentColor" strokeWidth="1.6" strokeLinecap="round" strokeLinejoin="round" />
    </svg>
  );
}

export function Mark() {
  return (
    <svg className="mark" viewBox="0 0 32 32" width="22" height="22" aria-hidden="true">
      <rect width="32" height="32" rx="8" className="mark-ground" />
      <path d="M6 21c3.2 0 3.6-3.5 6.4-3.5S15.8 21 19 21c3.4 0 3.8-9 7-9" fill="none" stroke="#fff" strokeWidth="2.8" strokeLinecap="round" />
      <path d="M6 14.5c2.6 0 3-2.5 5.4-2.5" fill="none" stroke="#99f6e4" strokeWidth="2.4" strokeLinecap="round" />
    </svg>
  );
}
