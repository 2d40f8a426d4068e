export function Plays() {
  return <h1>Plays</h1>;
}
