// The configuration file: the part of Python 3 that states values.
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every list of operators is flat (no rule is left-recursive), so that the depth
// of a parse tree is bounded by the nesting of brackets, which is capped before
// the parser runs. The lexer gives every line break; those inside brackets are
// dropped between lexer and parser (lib/Frontend/Config/Tokens.cpp), which also
// ends the last line and rejects KEYWORD, BAD_NUMBER and OTHER with messages of
// their own. The input is bytes: U+0080 to U+00FF are parts of UTF-8 letters.
grammar ColoConfig;

file : (statement | NEWLINE)* EOF ;

// The text between the braces of an f-string.
embedded : expressionList EOF ;

statement : simple (';' simple)* ';'? NEWLINE ;

simple
  : assignment
  | importName
  | importFrom
  | PASS
  ;

assignment
  : expressionList AUGMENTED expressionList
  | expressionList (':' expression)? ('=' expressionList)*
  ;

importName : IMPORT importedModule (',' importedModule)* ;
importedModule : dottedName (AS NAME)? ;
importFrom : FROM '.'* dottedName? IMPORT ('*' | '(' importedList ','? ')' | importedList) ;
importedList : importedAs (',' importedAs)* ;
importedAs : NAME (AS NAME)? ;
dottedName : NAME ('.' NAME)* ;

expressionList : element (',' element)* ','? ;
element : '*'? expression ;

expression : orTest (IF orTest ELSE orTest)* ;
orTest : andTest (OR andTest)* ;
andTest : notTest (AND notTest)* ;
notTest : NOT* comparison ;
comparison : bitOr (comparator bitOr)* ;
comparator : '==' | '!=' | '<' | '<=' | '>' | '>=' | NOT? IN | IS NOT? ;
bitOr : bitXor ('|' bitXor)* ;
bitXor : bitAnd ('^' bitAnd)* ;
bitAnd : shift ('&' shift)* ;
shift : sum (('<<' | '>>') sum)* ;
sum : term (('+' | '-') term)* ;
term : factor (('*' | '/' | '//' | '%' | '@') factor)* ;
factor : sign* power ;
power : postfix ('**' exponent)* ;
exponent : sign* postfix ;
sign : '+' | '-' | '~' ;

postfix : atom trailer* ;
trailer
  : '.' NAME
  | '(' arguments? ')'
  | '[' subscript ']'
  ;
subscript
  : expression? ':' expression? (':' expression?)?
  | expressionList
  ;
arguments : argument (',' argument)* ','? ;
argument
  : NAME '=' expression
  | ('*' | '**')? expression
  ;

atom
  : NAME
  | INTEGER
  | FLOAT
  | STRING+
  | TRUE
  | FALSE
  | NONE
  | '(' expressionList? ')'
  | '[' expressionList? ']'
  | '{' (entry (',' entry)* ','?)? '}'
  ;
entry
  : expression ':' expression
  | '**' expression
  ;

AND : 'and' ;
AS : 'as' ;
ELSE : 'else' ;
FALSE : 'False' ;
FROM : 'from' ;
IF : 'if' ;
IMPORT : 'import' ;
IN : 'in' ;
IS : 'is' ;
NONE : 'None' ;
NOT : 'not' ;
OR : 'or' ;
PASS : 'pass' ;
TRUE : 'True' ;

// Python's words that a configuration has no use for.
KEYWORD
  : 'assert' | 'async' | 'await' | 'break' | 'class' | 'continue' | 'def' | 'del' | 'elif' | 'except' | 'finally'
  | 'for' | 'global' | 'lambda' | 'nonlocal' | 'raise' | 'return' | 'try' | 'while' | 'with' | 'yield'
  ;

AUGMENTED : '+=' | '-=' | '*=' | '/=' | '//=' | '%=' | '**=' | '|=' | '&=' | '^=' | '<<=' | '>>=' ;

// Named, since the step between lexer and parser matches them.
OPEN_PAREN : '(' ;
CLOSE_PAREN : ')' ;
OPEN_BRACKET : '[' ;
CLOSE_BRACKET : ']' ;
OPEN_BRACE : '{' ;
CLOSE_BRACE : '}' ;
SEMICOLON : ';' ;

STRING
  : PREFIX? ( '\'' ( ~['\\\r\n] | '\\' ( '\r\n' | . ) )* '\''
            | '"' ( ~["\\\r\n] | '\\' ( '\r\n' | . ) )* '"'
            | '\'\'\'' ( ~[\\] | '\\' . )*? '\'\'\''
            | '"""' ( ~[\\] | '\\' . )*? '"""' ) ;
fragment PREFIX : [rRbBuUfF] | [rR] [bBfF] | [bBfF] [rR] ;

NAME : [a-zA-Z_\u0080-\u00FF] [a-zA-Z0-9_\u0080-\u00FF]* ;

INTEGER
  : [1-9] ('_'? [0-9])*
  | '0' ('_'? '0')*
  | '0' [xX] ('_'? [0-9a-fA-F])+
  | '0' [oO] ('_'? [0-7])+
  | '0' [bB] ('_'? [01])+
  ;
FLOAT
  : DIGITS EXPONENT
  | (DIGITS? '.' DIGITS | DIGITS '.') EXPONENT?
  ;
fragment DIGITS : [0-9] ('_'? [0-9])* ;
fragment EXPONENT : [eE] [+-]? DIGITS ;
// Longer than any number that it starts with: 012, 1__0, 0x, 1e, 3px, 2j.
BAD_NUMBER : '.'? [0-9] [0-9a-zA-Z_.]* ;

NEWLINE : '\r'? '\n' | '\r' ;
CONTINUATION : '\\' ('\r'? '\n' | '\r') -> skip ;
SPACE : [ \t\f]+ -> skip ;
COMMENT : '#' ~[\r\n]* -> skip ;
OTHER : . ;
