//===- ColoModel.g4 - the model language's syntax -----------------*- ANTLR -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A subset of Python 3: whatever this grammar accepts, Python's own parser
// accepts (the reverse does not hold). INDENT and DEDENT, and the NEWLINE that
// ends a logical line, come from lib/Frontend/Model/Layout.cpp, which reads the
// lexer below; the lexer itself never fails, so that every character gets its
// place in a message.
//
//===----------------------------------------------------------------------===//

grammar ColoModel;

tokens { INDENT, DEDENT }

file : item* EOF ;

item
    : importLine
    | classDef
    | functionDef
    | simpleStatement
    ;

// Imports are there for editors; they mean nothing.
importLine
    : 'import' dottedName ('as' NAME)? (',' dottedName ('as' NAME)?)* NEWLINE
    | 'from' dottedName 'import' ('*' | importNames | '(' importNames ','? ')') NEWLINE
    ;
importNames : NAME ('as' NAME)? (',' NAME ('as' NAME)?)* ;
dottedName : NAME ('.' NAME)* ;

// A base with a dot is none; the message says so.
classDef : 'class' NAME '(' (packaged=dottedBase (',' parameters?)? | parameters?) ')' ':' block ;
dottedBase : NAME ('.' NAME)+ ;
functionDef : 'def' NAME '(' parameters? ')' ':' block ;
parameters : parameter (',' parameter)* ','? ;
parameter : NAME (':' annotation=expression)? ('=' value=expression)? ;

block
    : simpleStatement
    | NEWLINE INDENT statement+ DEDENT
    ;

statement
    : simpleStatement
    | ifStatement
    | forStatement
    | functionDef
    | classDef
    ;

simpleStatement : smallStatement (';' smallStatement)* ';'? NEWLINE ;

smallStatement
    : expressionList                                                    # expressionStatement
    | expressionList '=' expressionList                                 # assignStatement
    | expression op=('+=' | '-=' | '*=' | '/=' | '@=' | '//=' | '%=' | '**=') expressionList # augmentedStatement
    | 'return' expressionList?                                          # returnStatement
    | 'assert' expression (',' expression)?                             # assertStatement
    | 'pass'                                                            # passStatement
    ;

ifStatement : 'if' expression ':' block ('elif' expression ':' block)* ('else' ':' block)? ;
forStatement : 'for' nameList 'in' expressionList ':' block ;
nameList : NAME (',' NAME)* ','? ;

// More than one expression, or a comma at the end, is a tuple.
expressionList : expression (',' expression)* comma=','? ;

expression
    : expression '.' NAME                                               # attribute
    | expression '[' subscript (',' subscript)* comma=','? ']'          # subscripted
    | expression '(' arguments? ')'                                     # call
    | <assoc=right> expression op='**' expression                       # binary
    | op=('-' | '+') expression                                         # unary
    | expression op=('*' | '/' | '//' | '%' | '@') expression           # binary
    | expression op=('+' | '-') expression                              # binary
    | expression comparator expression                                  # comparison
    | op='not' expression                                               # unary
    | expression op='and' expression                                    # binary
    | expression op='or' expression                                     # binary
    | <assoc=right> expression 'if' expression 'else' expression        # conditional
    | NAME                                                              # name
    | INTEGER                                                           # integer
    | REAL                                                              # real
    | STRING+                                                           # string
    | value=('True' | 'False' | 'None')                                 # constant
    | '(' expressionList? ')'                                           # parenthesized
    | '[' expression 'for' nameList 'in' expression ']'                 # comprehension
    | '[' (expression (',' expression)* ','?)? ']'                      # list
    ;

comparator : '<' | '>' | '<=' | '>=' | '==' | '!=' | 'is' 'not'? ;

subscript
    : expression                                                        # indexSubscript
    | start=expression? ':' stop=expression? (':' step=expression?)?    # sliceSubscript
    ;

arguments : argument (',' argument)* ','? ;
argument : (NAME '=')? expression ;

// Words of Python that have no place here; naming them keeps them from being
// read as names and lets the message say so.
RESERVED
    : 'async' | 'await' | 'break' | 'continue' | 'del' | 'except' | 'finally' | 'global' | 'lambda'
    | 'nonlocal' | 'raise' | 'try' | 'while' | 'with' | 'yield'
    ;

NAME : [A-Za-z_] [A-Za-z_0-9]* ;
REAL
    : (DIGITS '.' DIGITS? | '.' DIGITS) EXPONENT?
    | DIGITS EXPONENT
    ;
INTEGER : '0' ('_'? '0')* | [1-9] ('_'? [0-9])* ;
fragment DIGITS : [0-9] ('_'? [0-9])* ;
fragment EXPONENT : [eE] [+-]? DIGITS ;

STRING
    : '"""' (ESCAPE | ~[\\])*? '"""'
    | '\'\'\'' (ESCAPE | ~[\\])*? '\'\'\''
    | '"' (ESCAPE | ~[\\\r\n"])* '"'
    | '\'' (ESCAPE | ~[\\\r\n'])* '\''
    ;
fragment ESCAPE : '\\' ('\r\n' | .) ;

OPEN : '{' ;
CLOSE : '}' ;

NEWLINE : '\r'? '\n' | '\r' ;
BLANK : [ \t\f]+ -> skip ;
COMMENT : '#' ~[\r\n]* -> skip ;
JOINED : '\\' ('\r'? '\n' | '\r') -> skip ;

UNKNOWN : . ;
