import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import ts from 'typescript';

/** Names of fields, those of an object in an object or a list as `outer.inner`, and whether each may be missing. */
export type Fields = ReadonlyMap<string, boolean>;
/** Where something is declared: its name, and the file from the repository's root. */
export interface Declared {
  readonly name: string;
  readonly file: string;
}

const ROOT = new URL('../..', import.meta.url).pathname;
const NONE: Fields = new Map();

/** Reads which fields types, zod schemas and object literals have, from the sources alone: no type is inferred. */
export class SourceFields {
  readonly #files = new Map<string, ts.SourceFile>();
  readonly #apart: ReadonlySet<string>;

  /** @param apart types that are described by themselves: a field of such a type is one field */
  constructor(apart: ReadonlySet<string>) {
    this.#apart = apart;
  }

  /**
   * Fields of an interface or a type or, of a function, of the objects that it makes.
   * @param type of a function: of those objects alone that have this `type`, if any has
   */
  of({ name, file }: Declared, type = ''): Fields {
    const found = this.#find(name, file);
    if (found === undefined) throw new Error(`${file} declares no ${name}`);
    const { node, file: source } = found;
    if (ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)) return this.#ofDeclared(node, source);
    const typed = allOf(node, ts.isObjectLiteralExpression).filter((one) => typeOf(one) === type);
    const literals = type === '' || typed.length === 0 ? literalsIn(node) : typed;
    return literals.reduce((fields, one) => merge(fields, this.literal(one)), NONE);
  }

  /** The members of a union of events, by their `type`. */
  events({ name, file }: Declared): ReadonlyMap<string, Fields> {
    const { node } = this.#find(name, file) ?? {};
    const members = node !== undefined && ts.isTypeAliasDeclaration(node) ? membersOf(node.type) : [];
    const byType = Map.groupBy(members, (member) => this.#typeOf(member, file));
    const fieldsOf = (member: ts.TypeNode): Fields =>
      ts.isTypeReferenceNode(member) ? this.of({ name: member.typeName.getText(), file }) : this.#ofType(member, file);
    return new Map([...byType].map(([type, all]) => [type, either(all.map(fieldsOf))]));
  }

  /** Fields of an object literal: those of what it spreads too, where that is a literal of the same file. */
  literal(node: ts.ObjectLiteralExpression): Fields {
    const all = new Map<string, boolean>();
    for (const property of node.properties) {
      if (ts.isSpreadAssignment(property)) {
        const isOptional = allOf(property, ts.isConditionalExpression).length > 0;
        for (const one of literalsIn(this.#spread(property.expression)))
          this.literal(one).forEach(put(all, '', isOptional));
        continue;
      }
      const name = property.name.getText();
      const nested = ts.isPropertyAssignment(property) ? literalsIn(property.initializer) : [];
      if (nested.length === 0) all.set(name, false);
      for (const one of nested) this.literal(one).forEach(put(all, `${name}.`, false));
    }
    return all;
  }

  file(path: string): ts.SourceFile {
    const known = this.#files.get(path);
    if (known !== undefined) return known;
    const text = readFileSync(join(ROOT, path), 'utf8');
    const made = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
    this.#files.set(path, made);
    return made;
  }

  /** In this file, or in the one that it is imported from. */
  #find(name: string, file: string): { readonly node: ts.Node; readonly file: string } | undefined {
    for (const statement of this.file(file).statements) {
      if (ts.isVariableStatement(statement)) {
        const one = statement.declarationList.declarations.find((each) => each.name.getText() === name);
        if (one !== undefined) return { node: one, file };
      } else if (ts.isImportDeclaration(statement)) {
        const from = (statement.moduleSpecifier as ts.StringLiteral).text;
        const names = statement.importClause?.namedBindings;
        if (names === undefined || !ts.isNamedImports(names) || !from.startsWith('.')) continue;
        if (names.elements.some((each) => each.name.text === name))
          return this.#find(name, relative(ROOT, join(ROOT, dirname(file), from)));
      } else if (
        (ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement)) &&
        statement.name.text === name
      )
        return { node: statement, file };
    }
    return undefined;
  }

  #ofDeclared(node: ts.InterfaceDeclaration | ts.TypeAliasDeclaration, file: string): Fields {
    if (ts.isTypeAliasDeclaration(node)) return this.#ofType(node.type, file);
    const above = (node.heritageClauses ?? []).flatMap(({ types }) => types);
    const inherited = above.map((one) => this.of({ name: one.expression.getText(), file }));
    return [...inherited, this.#ofMembers(node.members, file)].reduce(merge, NONE);
  }

  #ofMembers(members: ts.NodeArray<ts.TypeElement>, file: string): Fields {
    const all = new Map<string, boolean>();
    for (const member of members) {
      if (!ts.isPropertySignature(member) || member.type === undefined) continue;
      const name = member.name.getText();
      const isOptional = member.questionToken !== undefined || mayBeUndefined(member.type);
      const nested = this.#ofType(member.type, file);
      if (nested.size === 0) all.set(name, isOptional);
      nested.forEach(put(all, `${name}.`, isOptional));
    }
    return all;
  }

  /** Empty for what is no object. */
  #ofType(node: ts.TypeNode, file: string): Fields {
    if (ts.isTypeLiteralNode(node)) return this.#ofMembers(node.members, file);
    if (ts.isArrayTypeNode(node)) return this.#ofType(node.elementType, file);
    if (ts.isTypeOperatorNode(node) || ts.isParenthesizedTypeNode(node)) return this.#ofType(node.type, file);
    if (ts.isUnionTypeNode(node)) return either(node.types.map((one) => this.#ofType(one, file)));
    if (ts.isIntersectionTypeNode(node)) return node.types.map((one) => this.#ofType(one, file)).reduce(merge, NONE);
    return ts.isTypeReferenceNode(node) ? this.#ofReference(node, file) : NONE;
  }

  #ofReference({ typeName, typeArguments: [argument] = [] as never }: ts.TypeReferenceNode, file: string): Fields {
    const name = typeName.getText();
    if (this.#apart.has(name)) return NONE;
    if (name === 'Readonly' && argument !== undefined) return this.#ofType(argument, file);
    if (name === 'z.infer' && argument !== undefined && ts.isTypeQueryNode(argument))
      return this.#ofSchema(argument.exprName, file).fields;
    const found = this.#find(name, file);
    if (found === undefined || !(ts.isInterfaceDeclaration(found.node) || ts.isTypeAliasDeclaration(found.node)))
      return NONE;
    return this.#ofDeclared(found.node, found.file);
  }

  #ofSchema(node: ts.Node, file: string): { readonly fields: Fields; readonly isOptional: boolean } {
    if (ts.isIdentifier(node)) {
      const found = this.#find(node.text, file)?.node;
      const value = found !== undefined && ts.isVariableDeclaration(found) ? found.initializer : undefined;
      return value === undefined ? { fields: NONE, isOptional: false } : this.#ofSchema(value, file);
    }
    if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression))
      return { fields: NONE, isOptional: false };
    const [{ expression: of, name }, [argument]] = [node.expression, node.arguments];
    if (of.getText() !== 'z') {
      const below = this.#ofSchema(of, file);
      return { ...below, isOptional: below.isOptional || ['optional', 'nullish'].includes(name.text) };
    }
    if (name.text === 'array' && argument !== undefined) return this.#ofSchema(argument, file);
    if (name.text !== 'object' || argument === undefined || !ts.isObjectLiteralExpression(argument))
      return { fields: NONE, isOptional: false };
    return { fields: this.#ofShape(argument, file), isOptional: false };
  }

  #ofShape({ properties }: ts.ObjectLiteralExpression, file: string): Fields {
    const all = new Map<string, boolean>();
    for (const property of properties) {
      if (ts.isSpreadAssignment(property)) {
        for (const one of literalsIn(this.#spread(property.expression)))
          this.#ofShape(one, file).forEach(put(all, '', false));
      } else {
        const value = ts.isPropertyAssignment(property) ? property.initializer : property.name;
        const { fields, isOptional } = this.#ofSchema(value, file);
        const name = property.name.getText();
        if (fields.size === 0) all.set(name, isOptional);
        fields.forEach(put(all, `${name}.`, isOptional));
      }
    }
    return all;
  }

  /** What a name stands for, where it is a literal of the same file. */
  #spread(node: ts.Expression): ts.Node {
    if (!ts.isIdentifier(node)) return node;
    const declarations = allOf(node.getSourceFile(), ts.isVariableDeclaration);
    const literal = declarations.find((one) => one.name.getText() === node.text)?.initializer;
    return literal !== undefined && ts.isObjectLiteralExpression(literal) ? literal : node;
  }

  #typeOf(member: ts.TypeNode, file: string): string {
    const found = ts.isTypeReferenceNode(member) ? this.#find(member.typeName.getText(), file)?.node : member;
    const [, type = ''] = /readonly type: '([^']+)'/.exec(found?.getText() ?? '') ?? [];
    return type;
  }
}

/** All nodes of a kind in a node. */
export const allOf = <T extends ts.Node>(node: ts.Node, is: (one: ts.Node) => one is T): T[] => {
  const found: T[] = [];
  const visit = (one: ts.Node): void => {
    if (is(one)) found.push(one);
    ts.forEachChild(one, visit);
  };
  visit(node);
  return found;
};

/** `{ type: 'this', … }`; '' for any other. */
export const typeOf = (literal: ts.ObjectLiteralExpression): string =>
  /^\{\s*type: '([\w-]+)'/.exec(literal.getText())?.[1] ?? '';

/** The outermost object literals in a node. */
const literalsIn = (node: ts.Node): ts.ObjectLiteralExpression[] => {
  if (ts.isObjectLiteralExpression(node)) return [node];
  const found: ts.ObjectLiteralExpression[] = [];
  ts.forEachChild(node, (child) => void found.push(...literalsIn(child)));
  return found;
};

const membersOf = (node: ts.TypeNode): readonly ts.TypeNode[] => (ts.isUnionTypeNode(node) ? node.types : [node]);

const mayBeUndefined = (node: ts.TypeNode): boolean =>
  node.kind === ts.SyntaxKind.UnknownKeyword ||
  membersOf(node).some(({ kind }) => kind === ts.SyntaxKind.UndefinedKeyword);

const put =
  (into: Map<string, boolean>, above: string, isOptional: boolean) =>
  (isOwnOptional: boolean, name: string): void =>
    void into.set(`${above}${name}`, into.get(`${above}${name}`) !== false && (isOptional || isOwnOptional));

const merge = (a: Fields, b: Fields): Fields => new Map([...a, ...b]);

/** One of several: what one of them lacks may be missing. Those without fields are no objects. */
const either = (several: readonly Fields[]): Fields => {
  const objects = several.filter(({ size }) => size > 0);
  const names = new Set(objects.flatMap((fields) => [...fields.keys()]));
  return new Map([...names].map((name) => [name, objects.some((fields) => fields.get(name) !== false)]));
};
